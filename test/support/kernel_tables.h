#pragma once

#include <cstddef>
#include <set>
#include <string>

#include "proxy/tables/iptables.h"
#include "rules/rule.h"

namespace test {

/// The raw, nat and filter tables of the current network namespace, one family, through the
/// programs of one variant.
class KernelTables {
 public:
  KernelTables(rules::Family family, proxy::Variant variant) : family_(family), variant_(variant) {}

  void restore(const std::string& save_text) const;

  /// With counters.
  std::string save() const;

  void zero_counters() const;

  /// rule_name() of every rule that has counted a packet.
  std::set<std::string> counted_rules() const;

 private:
  std::string program(std::string_view suffix) const;

  rules::Family family_;
  proxy::Variant variant_;
};

/// "nat KUBE-SERVICES 3"; the first rule is 1.
std::string rule_name(const rules::ChainId& chain, std::size_t number);

}  // namespace test
