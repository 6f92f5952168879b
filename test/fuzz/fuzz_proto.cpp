// Any bytes as protobuf of an API server: a DecodeError or objects, nothing else; a list is the
// same in pieces as at once; and names that came through can stand in a rule's comment.

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "k8sclient/objects/decode.h"

namespace {

using k8sclient::DecodeError;
using k8sclient::Encoding;
using k8sclient::ObjectList;

void require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

// Fed in pieces of that size; nothing if it is no list.
template <typename T>
std::optional<ObjectList<T>> list_of(std::string_view bytes, std::size_t piece) {
  try {
    k8sclient::ListDecoder<T> decoder;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      decoder.feed(bytes.substr(at, piece), Encoding::kProtobuf);
    }
    return decoder.finish();
  } catch (const DecodeError&) {
    return std::nullopt;
  }
}

template <typename T>
void try_list(std::string_view bytes) {
  const auto whole = list_of<T>(bytes, bytes.size() + 1);
  const auto pieces = list_of<T>(bytes, 7);
  require(whole.has_value() == pieces.has_value());
  if (!whole) {
    return;
  }
  require(whole->objects == pieces->objects && whole->errors.size() == pieces->errors.size());
  for (const T& object : whole->objects) {
    require(object.name.name_space.find_first_of("\"'\\ \n\t%:/") == std::string::npos);
    require(object.name.name.find_first_of("\"'\\ \n\t%:/") == std::string::npos);
  }
}

template <typename T>
void try_event(std::string_view bytes) {
  try {
    k8sclient::decode_watch_line<T>(bytes, Encoding::kProtobuf);
  } catch (const DecodeError&) {
    // the answer to bad input
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data),
                               size);  // NOLINT: bytes as characters
  try_list<k8sclient::Service>(bytes);
  try_list<k8sclient::EndpointSlice>(bytes);
  try_event<k8sclient::Service>(bytes);
  try_event<k8sclient::Node>(bytes);
  k8sclient::decode_status(bytes, Encoding::kProtobuf);
  return 0;
}
