#pragma once

#include <string_view>

namespace proxy {

/// What this program was built from. Two builds of one commit say the same: there is no time of the
/// build in it.
struct BuildInfo {
  std::string_view version;   // "0.2.0", of semver.org; CMakeLists.txt says it
  std::string_view commit;    // 12 digits, "+changes" if the checkout had any; or "unknown"
  std::string_view date;      // of the commit: "2026-11-28"; or "unknown"
  std::string_view platform;  // as Go spells it: "linux/amd64"
};

const BuildInfo& build_info();

}  // namespace proxy
