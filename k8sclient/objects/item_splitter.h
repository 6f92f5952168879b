#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace k8sclient {

/// Takes the elements out of the array `items` of a JSON object while its text arrives in pieces.
/// So a list of any length costs the memory of its longest element. The text is cut, not checked:
/// elements and envelope are each to be parsed, and what was no JSON before is none then.
class ItemSplitter {
 public:
  using OnItem = std::function<void(std::string_view json)>;

  /// Calls on_item for each element that is complete. Throws FieldError when an element is larger
  /// than 16 MiB, or the rest than 1 MiB.
  void feed(std::string_view bytes, const OnItem& on_item);

  /// The text without the elements: `{"kind":"ServiceList","items":[]}`.
  const std::string& envelope() const { return envelope_; }

 private:
  void scan_string(std::string_view bytes, std::size_t& at);
  void end_item(std::string_view bytes, const OnItem& on_item);
  bool is_at_items() const;
  void check_sizes() const;

  std::string envelope_;
  std::string item_;  // the beginning of an element of which the rest has not arrived
  int depth_ = 0;
  bool is_in_string_ = false;
  bool is_escaped_ = false;
  bool is_in_items_ = false;
  bool is_first_item_ = true;
};

}  // namespace k8sclient
