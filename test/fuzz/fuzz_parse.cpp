// Any text as iptables-save output: reading it never fails, and what was understood is printed so
// that it reads back the same.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "rules/installed.h"
#include "rules/tables.h"
#include "rules/text.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rules;  // NOLINT(google-build-using-namespace): a program of one function
  const std::string_view text(reinterpret_cast<const char*>(data),
                              size);  // NOLINT: bytes as characters
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    parse_installed(text, family);
    parse_tables(text, family);
    if (const auto rule = parse_rule(text, family)) {
      const std::string printed = to_string(*rule, family);
      const auto again = parse_rule(printed, family);
      if (!again || to_string(*again, family) != printed ||
          digest(*again) != digest(*parse_rule(printed, family))) {
        std::abort();
      }
    }
  }
  return 0;
}
