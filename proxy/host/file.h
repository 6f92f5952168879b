#pragma once

#include "k8sclient/base/file.h"

namespace proxy {

using k8sclient::read_file;
using k8sclient::write_file;

}  // namespace proxy
