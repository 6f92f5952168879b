#pragma once

#include <map>
#include <string>
#include <vector>

#include "rules/net.h"

namespace test {

/// What the kernel's nftables hold of a family in this network namespace, in its own bytes as
/// hexadecimal digits: under "table nat", "chain nat KUBE-SERVICES" and "rules nat KUBE-SERVICES".
/// Without the handles, which count what was there before.
std::map<std::string, std::vector<std::string>> nft_bytes(rules::Family family);

}  // namespace test
