#pragma once

#include "k8sclient/objects/types.h"

namespace k8sclient {

// One object of the API from its document, whatever surrounds it and whatever that is written in:
// `Value` is Json or Proto. Private to this folder; decode.h is the way in. Each throws FieldError
// for a value of another type, a name outside of the API's character set, a port out of range.
// Kind, and that there is a name, are the caller's to check.

/// T is Service, EndpointSlice or Node.
template <typename T, typename Value>
T read_object(const Value& value);

/// What can be said of an object's name, even of one that is malformed: parts that are missing or
/// invalid are empty.
template <typename Value>
ObjectName name_if_valid(const Value& object);

}  // namespace k8sclient
