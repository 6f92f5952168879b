#pragma once

#include "k8sclient/base/descriptor.h"

namespace proxy {

using k8sclient::Descriptor;
using k8sclient::throw_errno;

}  // namespace proxy
