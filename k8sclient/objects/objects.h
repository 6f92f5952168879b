#pragma once

#include "k8sclient/objects/json.h"
#include "k8sclient/objects/types.h"

namespace k8sclient {

// One object of the API from its JSON, whatever surrounds it. Private to this folder; decode.h is
// the way in. Each throws FieldError for a value of another type, a name outside of the API's
// character set, a port out of range. Kind, and that there is a name, are the caller's to check.

template <typename T>
T read_object(const Json& json);

template <>
Service read_object(const Json& json);
template <>
EndpointSlice read_object(const Json& json);
template <>
Node read_object(const Json& json);

/// What can be said of an object's name, even of one that is malformed: parts that are missing or
/// invalid are empty.
ObjectName name_if_valid(const Json& json);

}  // namespace k8sclient
