#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace k8sclient {

/// Takes the items out of a list in protobuf while its bytes arrive in pieces: what ItemSplitter is
/// for JSON.
class ProtoItemSplitter {
 public:
  using OnItem = std::function<void(std::string_view message)>;

  /// Calls on_item for each item that is complete. Throws FieldError when the bytes are no list, an
  /// item is larger than 16 MiB or what is around the items is larger than 1 MiB.
  void feed(std::string_view bytes, const OnItem& on_item);

  /// The document without the items, once all has been fed. Throws FieldError when that was not
  /// all.
  std::string envelope() const;

 private:
  std::size_t take_field(std::string_view rest, const OnItem& on_item);
  static void keep(std::string& envelope, std::string_view field);

  std::string pending_;   // what is not complete
  std::string metadata_;  // the ListMeta, as a field of the list
  std::string around_;    // fields of the document beside the list
  bool has_magic_ = false;
  bool has_list_ = false;
  std::uint64_t list_left_ = 0;  // bytes of the list that have not been taken
};

}  // namespace k8sclient
