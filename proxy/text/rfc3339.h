#pragma once

#include "k8sclient/base/rfc3339.h"

namespace proxy {

using k8sclient::parse_rfc3339;
using k8sclient::to_micro_time;
using k8sclient::to_rfc3339;

}  // namespace proxy
