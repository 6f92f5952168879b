#include "proxy/cluster/notes.h"

#include <fmt/format.h>

namespace proxy {

Notes::Notes(std::string_view kind, const k8sclient::ObjectName& name)
    : object_(fmt::format("{} {:?}", kind, to_string(name))) {}

void Notes::dropped(std::string_view field, std::string_view value, std::string_view reason) {
  constexpr std::size_t kShown = 80;
  lines_.push_back(
      fmt::format("{}: {} {:?} dropped: {}", object_, field, value.substr(0, kShown), reason));
}

void Notes::add(std::string_view text) {
  lines_.push_back(fmt::format("{}: {}", object_, text));
}

}  // namespace proxy
