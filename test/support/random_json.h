#pragma once

#include <string>
#include <string_view>

#include "test/support/random.h"

namespace test {

/// A random object of that kind ("Service", "EndpointSlice", "Node") in JSON, over every field that
/// an API server writes and some that are still to come. Like the server, it leaves out what is
/// empty and not a pointer. The object has a valid name; other values need not make sense, and now
/// and then are none that a field may have.
std::string random_object_json(std::string_view kind, Random& random);

}  // namespace test
