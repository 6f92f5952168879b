#include "k8sclient/objects/proto_item_splitter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <protozero/exception.hpp>
#include <protozero/pbf_writer.hpp>
#include <protozero/varint.hpp>

#include "k8sclient/objects/field_error.h"
#include "k8sclient/objects/proto_envelope.h"

namespace k8sclient {

namespace {

constexpr std::size_t kMaxItem = 16U << 20U;
constexpr std::size_t kMaxEnvelope = 1U << 20U;
constexpr std::uint32_t kList = 2;      // Unknown.raw
constexpr std::uint32_t kMetadata = 1;  // of a list
constexpr std::uint32_t kItems = 2;

[[noreturn]] void fail(std::string reason) {
  throw FieldError{{}, "invalid protobuf: " + std::move(reason)};
}

// The varint at `at`, which moves behind it; nothing if its end has not arrived.
std::optional<std::uint64_t> read_varint(std::string_view bytes, std::size_t& at) {
  const char* data = bytes.data() + at;
  try {
    const std::uint64_t value = protozero::decode_varint(&data, bytes.data() + bytes.size());
    at = static_cast<std::size_t>(data - bytes.data());
    return value;
  } catch (const protozero::end_of_buffer_exception&) {
    return std::nullopt;
  } catch (const protozero::exception& error) {
    fail(error.what());
  }
}

}  // namespace

void ProtoItemSplitter::feed(std::string_view bytes, const OnItem& on_item) {
  pending_.append(bytes);
  std::string_view rest = pending_;
  if (!has_magic_) {
    if (rest.size() < kProtoMagic.size()) {
      return;
    }
    if (!rest.starts_with(kProtoMagic)) {
      fail("it does not start with the API's four bytes");
    }
    rest.remove_prefix(kProtoMagic.size());
    has_magic_ = true;
  }
  while (const std::size_t taken = rest.empty() ? 0 : take_field(rest, on_item)) {
    rest.remove_prefix(taken);
  }
  pending_.erase(0, pending_.size() - rest.size());
}

// Bytes of the field at the front that are done with; none if it is not complete. Of the list's
// field that is the head alone: its content is taken field by field.
std::size_t ProtoItemSplitter::take_field(std::string_view rest, const OnItem& on_item) {
  const bool is_in_list = list_left_ > 0;
  const std::string_view bytes =
      is_in_list
          ? rest.substr(0,
                        static_cast<std::size_t>(std::min<std::uint64_t>(rest.size(), list_left_)))
          : rest;
  std::size_t head = 0;
  const auto key = read_varint(bytes, head);
  const auto size = key ? read_varint(bytes, head) : std::nullopt;
  if (!size) {
    if (is_in_list && bytes.size() == list_left_) {
      fail("end of buffer exception");
    }
    return 0;
  }
  const auto number = static_cast<std::uint32_t>(*key >> 3U);
  if (static_cast<protozero::pbf_wire_type>(*key & 7U) !=
      protozero::pbf_wire_type::length_delimited) {
    fail("a list has only messages");
  }
  if (!is_in_list && number == kList) {
    has_list_ = true;
    list_left_ = *size;
    return head;
  }
  if (is_in_list && head + *size > list_left_) {
    fail("an item is longer than its list");
  }
  if (*size > kMaxItem) {
    throw FieldError{"items", "an element is larger than 16 MiB"};
  }
  const std::size_t end = head + static_cast<std::size_t>(*size);
  if (bytes.size() < end) {
    return 0;
  }
  list_left_ -= is_in_list ? end : 0;
  if (is_in_list && number == kItems) {
    on_item(bytes.substr(head, static_cast<std::size_t>(*size)));
  } else if (!is_in_list || number == kMetadata) {
    keep(is_in_list ? metadata_ : around_, bytes.substr(0, end));
  }
  return end;
}

void ProtoItemSplitter::keep(std::string& envelope, std::string_view field) {
  envelope.append(field);
  if (envelope.size() > kMaxEnvelope) {
    throw FieldError{{}, "what is around the items is larger than 1 MiB"};
  }
}

std::string ProtoItemSplitter::envelope() const {
  if (!has_list_ || list_left_ > 0 || !pending_.empty()) {
    fail("it ends in the middle");
  }
  std::string document(kProtoMagic);
  document += around_;
  protozero::pbf_writer writer(document);
  writer.add_bytes(kList, metadata_);
  return document;
}

}  // namespace k8sclient
