#pragma once

#include "k8sclient/base/process.h"

namespace proxy {

using k8sclient::Command;
using k8sclient::ProcessResult;
using k8sclient::run;

}  // namespace proxy
