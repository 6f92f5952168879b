// Any cluster that can be decoded compiles, and its rules are closed: each jump leads to a chain
// that exists, and each rule is printed on one line that reads back as the same rule.

#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "k8sclient/objects/manifests.h"
#include "proxy/cluster/store.h"
#include "rules/save_text.h"
#include "rules/tables.h"
#include "rules/text.h"

namespace {

template <typename T>
void apply(proxy::Store& store, std::vector<T> objects) {
  store.apply(k8sclient::Event<T>(k8sclient::Listed<T>{std::move(objects)}));
}

void require_closed(const rules::Tables& tables) {
  for (const auto& [chain, content] : tables.chains) {
    for (const rules::Rule& rule : content.rules) {
      const rules::ChainName* target = jump_target(rule);
      if (target != nullptr && !tables.chains.contains({chain.table, *target})) {
        std::abort();
      }
      const std::string text = to_string(rule, tables.family);
      if (text.find('\n') != std::string::npos || rules::parse_rule(text, tables.family) != rule) {
        std::abort();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data),
                              size);  // NOLINT: bytes as characters
  proxy::Store store({.node_name = "k8s-worker1"}, {});
  try {
    k8sclient::Manifests manifests = k8sclient::decode_manifests(text);
    apply(store, std::move(manifests.services));
    apply(store, std::move(manifests.slices));
    apply(store, std::move(manifests.nodes));
  } catch (const k8sclient::DecodeError&) {
    return 0;
  }
  for (const rules::Family family : {rules::Family::kIpv4, rules::Family::kIpv6}) {
    const auto update = store.latest(family);
    rules::Context context{.family = family, .node_name = "k8s-worker1"};
    context.localhost_node_ports = family == rules::Family::kIpv4;
    const rules::Ruleset ruleset = rules::Compiler{}.compile(*update->snapshot, context);
    require_closed(to_tables(ruleset));
    if (to_save_text(ruleset) !=
        to_save_text(rules::Compiler{}.compile(*update->snapshot, context))) {
      std::abort();
    }
  }
  return 0;
}
