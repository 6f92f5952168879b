#pragma once

#include <string_view>

#include "k8sclient/errors.h"
#include "k8sclient/objects/api_status.h"
#include "k8sclient/objects/query.h"

namespace k8sclient {

// What answers of an API server mean for whoever watches it. Private to this folder.

/// The position is too long ago: all is to be listed anew.
bool is_gone(const ApiError& error);

/// The server knows no streaming lists: it refuses the parameters, as up to 1.31 by default.
bool refuses_streaming(const ApiError& error);

/// The server does not know the field that a selector names.
bool refuses_field_selector(const ApiError& error);

/// Whether one resource version is older than another. They are whole numbers wherever etcd gives
/// them; false if one is not.
bool is_before(std::string_view left, std::string_view right);

/// Throws the ApiError that an event ERROR of a watch is.
[[noreturn]] void throw_status(const Query& query, const ApiStatus& status);

}  // namespace k8sclient
