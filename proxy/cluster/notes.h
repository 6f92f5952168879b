#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "k8sclient/objects/types.h"

namespace proxy {

/// Collects what was wrong with one object as lines for a log, each naming the object. Names and
/// values may be hostile: they are quoted and escaped, and values are cut.
class Notes {
 public:
  /// `kind` as the API spells it, such as "Service".
  Notes(std::string_view kind, const k8sclient::ObjectName& name);

  /// `field` is a path such as "spec.externalIPs[0]".
  void dropped(std::string_view field, std::string_view value, std::string_view reason);

  /// Something about the object as a whole; `text` must be trustworthy.
  void add(std::string_view text);

  std::vector<std::string> take() { return std::exchange(lines_, {}); }

 private:
  std::string object_;
  std::vector<std::string> lines_;
};

}  // namespace proxy
