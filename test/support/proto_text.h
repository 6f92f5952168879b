#pragma once

#include <string>
#include <string_view>

namespace test {

// Objects of the API in protobuf, made from their JSON as an API server's encoder (Go's generated
// marshallers) makes them: fields without a pointer are written even when they are empty, and so
// are fields that nobody here reads. Knows the layout on its own, so that it can prove the reader
// wrong.

/// A document: of an object, a list of one of these kinds, or a Status, with its kind in it. Throws
/// std::exception for JSON that is none of these.
std::string to_protobuf(std::string_view json);

/// An event of a watch with its length before it; `object` is JSON.
std::string protobuf_frame(std::string_view type, std::string_view object);

}  // namespace test
