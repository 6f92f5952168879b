#include "test/support/golden.h"

#include <algorithm>
#include <set>

#include <CLI/CLI.hpp>

#include "k8sclient/objects/manifests.h"
#include "proxy/cluster/store.h"
#include "proxy/config/flags.h"
#include "proxy/host/node_addresses.h"
#include "proxy/sync/context.h"
#include "rules/names.h"
#include "rules/text.h"
#include "test/support/parity_files.h"

namespace test {

namespace {

using rules::ChainId;
using rules::Rule;

proxy::Config config_of(const Golden& golden) {
  std::vector<std::string> words{"kube-proxy"};
  for (const std::string& line : lines(golden.folder / "args")) {
    words.push_back(line);
  }
  std::vector<const char*> argv;
  for (const std::string& word : words) {
    argv.push_back(word.c_str());
  }
  CLI::App app;
  proxy::Flags flags;
  proxy::add_flags(app, flags);
  auto arguments = proxy::normalize_arguments(static_cast<int>(argv.size()), argv.data());
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  app.parse(arguments);
  return proxy::to_config(flags).config;
}

std::vector<std::string> rendered(const ChainId& chain,
                                  const std::vector<Rule>& rules,
                                  rules::Family family) {
  std::vector<std::string> texts;
  for (const Rule& rule : rules) {
    texts.push_back(to_string(chain) + ": " + to_string(rule, family));
  }
  return texts;
}

bool must_be_last(const Rule& rule) {
  return comment_of(rule).find("must be the last rule") != std::string_view::npos;
}

/// A shared chain in an order that does not depend on that of its Services.
std::vector<Rule> sorted(std::vector<Rule> rules) {
  const auto last = std::find_if(rules.begin(), rules.end(), must_be_last);
  const auto by_digest = [](const Rule& a, const Rule& b) { return digest(a) < digest(b); };
  std::sort(rules.begin(), last, by_digest);
  std::sort(last, rules.end(), by_digest);
  return rules;
}

}  // namespace

rules::Ruleset compile_golden(const Golden& golden, rules::Family family) {
  const proxy::Config config = config_of(golden);
  k8sclient::Manifests manifests =
      k8sclient::decode_manifests(content(golden.folder / "manifests.json"));
  if (!manifests.errors.empty()) {
    throw manifests.errors.front();
  }
  const k8sclient::Node node = manifests.nodes.at(0);
  proxy::Store store({.node_name = node.name.name}, proxy::Store::Time::clock::now());
  store.apply(k8sclient::Event<k8sclient::Service>(
      k8sclient::Listed<k8sclient::Service>{manifests.services}));
  store.apply(k8sclient::Event<k8sclient::EndpointSlice>(
      k8sclient::Listed<k8sclient::EndpointSlice>{manifests.slices}));
  store.apply(
      k8sclient::Event<k8sclient::Node>(k8sclient::Listed<k8sclient::Node>{manifests.nodes}));
  const auto update = store.latest(family);

  const proxy::NodeFacts facts = proxy::translate(node).node;
  const rules::Context context =
      proxy::make_context(proxy::context_settings(config),
                          {.family = family,
                           .node_name = node.name.name,
                           .node = facts,
                           .host_addresses = proxy::host_addresses(facts.addresses, {}),
                           .large_cluster = update->snapshot->endpoints > 1000});
  return rules::Compiler{}.compile(*update->snapshot, context);
}

std::string golden_save_text(const Golden& golden, rules::Family family) {
  return content(golden.folder /
                 (family == rules::Family::kIpv4 ? "iptables-save" : "ip6tables-save"));
}

std::vector<std::string> differences(const rules::Tables& expected, const rules::Tables& actual) {
  std::vector<std::string> found;
  std::set<ChainId> chains;
  for (const auto* tables : {&expected, &actual}) {
    for (const auto& [chain, content] : tables->chains) {
      chains.insert(chain);
    }
  }
  for (const ChainId& chain : chains) {
    const auto left = expected.chains.find(chain);
    const auto right = actual.chains.find(chain);
    if (left == expected.chains.end() || right == actual.chains.end()) {
      found.push_back((left == expected.chains.end() ? "+ chain " : "- chain ") + to_string(chain));
      continue;
    }
    const bool shared = rules::is_shared_chain(chain);
    const auto& wanted = shared ? sorted(left->second.rules) : left->second.rules;
    const auto& got = shared ? sorted(right->second.rules) : right->second.rules;
    if (wanted != got) {
      for (const auto& text : rendered(chain, wanted, expected.family)) {
        found.push_back("- " + text);
      }
      for (const auto& text : rendered(chain, got, expected.family)) {
        found.push_back("+ " + text);
      }
    }
  }
  return found;
}

}  // namespace test
