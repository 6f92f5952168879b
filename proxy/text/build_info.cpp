#include "proxy/text/build_info.h"

namespace proxy {

namespace {

#include "build_info.inc"

#if defined(__x86_64__)
constexpr std::string_view kPlatform = "linux/amd64";
#elif defined(__aarch64__)
constexpr std::string_view kPlatform = "linux/arm64";
#else
constexpr std::string_view kPlatform = "linux";
#endif

}  // namespace

const BuildInfo& build_info() {
  static constexpr BuildInfo kBuildInfo{
      .version = kVersion, .commit = kCommit, .date = kDate, .platform = kPlatform};
  return kBuildInfo;
}

}  // namespace proxy
