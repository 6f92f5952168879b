#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>

#include "k8sclient/watch/transport.h"
#include "proxy/backends/live_tables.h"
#include "proxy/backends/variant.h"
#include "proxy/cluster/feed.h"
#include "proxy/commands/check.h"
#include "proxy/commands/cluster.h"
#include "proxy/commands/commands.h"
#include "proxy/commands/daemon.h"
#include "proxy/commands/dump.h"
#include "proxy/explain/explain.h"
#include "proxy/explain/question.h"
#include "proxy/explain/rule_diff.h"
#include "proxy/host/node_addresses.h"
#include "proxy/host/per_family.h"
#include "proxy/log/logging.h"
#include "proxy/tables/held_chains.h"
#include "proxy/text/json.h"
#include "rules/save_text.h"

namespace proxy {

namespace {

/// Exit status when objects could not be read: the answer lacks their part.
constexpr int kIncomplete = 2;

void print(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
}

/// The rules that a command compares with or walks: a saved dump, or this node's.
class HeldRules {
 public:
  HeldRules(const Config& config, const std::string& file) : file_(file) {
    if (!file.empty()) {
      return;
    }
    choice_ = choose_iptables(config.iptables_backend,
                              require_readable(look_for_iptables(config.iptables_backend)));
    for (const std::string& warning : choice_.warnings) {
      log_warning("Mixed iptables", {{"warning", warning}});
    }
  }

  HeldTables of(rules::Family family) const {
    return file_.empty() ? read_held_tables(family, choice_)
                         : parse_held_tables(read_dump(file_, family), family);
  }

 private:
  std::string file_;
  IptablesChoice choice_;
};

std::vector<rules::Family> chosen_families(const std::optional<rules::Family>& family) {
  return family ? std::vector{*family} : std::vector(kFamilies.begin(), kFamilies.end());
}

template <typename Explanation>
std::string in_form(const Explanation& explanation, Output output, Colour colour) {
  switch (output) {
    case Output::kText:
      return to_text(explanation, colour);
    case Output::kJson:
      return to_json(explanation);
    case Output::kDot:
      return to_dot(explanation);
  }
  return {};
}

/// What cannot be asked for is missing in the answer, and no reason to give none.
Survey survey_of(const Cluster& cluster, const ServiceQuestion& question) {
  try {
    return cluster.survey(question);
  } catch (const std::exception& error) {
    log_warning("The cluster was not asked for the objects around the Service",
                {{"reason", error.what()}});
    return {};
  }
}

int explain_of_service(Cluster& cluster, const ExplainOptions& options) {
  std::string text;
  for (const rules::Family family : kFamilies) {
    for (const auto& explanation : explain_service(cluster.ruleset(family), options.service)) {
      text += in_form(explanation, options.output, options.colour);
    }
  }
  const ServiceQuestion question = parse_question(options.service);
  const Survey survey = survey_of(cluster, question);
  if (text.empty()) {
    throw std::runtime_error(why_no_answer(question, survey));
  }
  for (const std::string& doubt : doubts_about_slices(question, survey)) {
    if (options.output == Output::kText) {
      text += "note: " + doubt + "\n";
    } else {
      log_warning("Endpoints are missing", {{"reason", doubt}});
    }
  }
  print(text);
  return 0;
}

rules::Packet packet_of(const ExplainOptions& options) {
  const auto source = parse_source(options.from);
  if (!source) {
    throw ConfigErrors(
        {fmt::format("--from: \"{}\" is not ADDRESS or ADDRESS:PORT", options.from)});
  }
  const auto destination = parse_destination(options.to);
  if (!destination) {
    throw ConfigErrors({fmt::format(
        "--to: \"{}\" is not ADDRESS:PORT/PROTOCOL, such as 10.96.0.1:443/tcp", options.to)});
  }
  if (source->address.family() != destination->first.address.family()) {
    throw ConfigErrors({"--from and --to are addresses of different families"});
  }
  return {.source = source->address,
          .destination = destination->first,
          .protocol = destination->second,
          .source_port = source->port,
          .in_interface = options.in_interface,
          .state = options.state};
}

}  // namespace

int render(const Config& config, rules::Family family) {
  HostFacts host = read_host();
  // iptables-restore refuses the names of accounting objects that are not there, and nobody knows
  // where the text goes.
  host.capabilities.invalid_drop_counter = false;
  host.capabilities.localhost_port_counter = false;
  Cluster cluster(config, host);
  print(to_save_text(cluster.ruleset(family)));
  return cluster.skipped() == 0 ? 0 : kIncomplete;
}

int show_diff(const Config& config, const DiffOptions& options) {
  Cluster cluster(config, read_host());
  const HeldRules held(config, options.against);
  std::vector<RuleDiff> diffs;
  for (const rules::Family family : chosen_families(options.family)) {
    const HeldTables have = held.of(family);
    const rules::Ruleset want = cluster.ruleset(family);
    rules::Changes changes = rules::diff(have.installed, want);
    const std::vector<HeldChain> held_chains = spare_held(changes, have.installed.holders);
    diffs.push_back(describe(have.tables, changes));
    for (const HeldChain& chain : held_chains) {
      diffs.back().held.push_back({chain.chain, holder_text(chain, family)});
    }
  }
  if (options.output == Output::kJson) {
    print(json_array(diffs, [](const RuleDiff& diff) { return to_json(diff); }) + "\n");
  } else {
    for (const RuleDiff& diff : diffs) {
      print(to_text(diff, options.colour));
    }
  }
  const bool same = std::all_of(
      diffs.begin(), diffs.end(), [](const RuleDiff& diff) { return diff.groups.empty(); });
  return cluster.skipped() != 0 ? kIncomplete : same ? 0 : 1;
}

int explain(const Config& config, const ExplainOptions& options) {
  if (!options.service.empty()) {
    Cluster cluster(config, read_host());
    return explain_of_service(cluster, options);
  }
  const rules::Packet packet = packet_of(options);
  const rules::Family family = packet.source.family();
  const HostFacts host = read_host();
  std::vector<rules::IpAddress> local_addresses = host.addresses;
  rules::Tables tables;
  if (options.by_manifests) {
    Cluster cluster(config, host);
    tables = rules::to_tables(cluster.ruleset(family));
    local_addresses = cluster.local_addresses();
  }
  if (!options.by_manifests || !options.against.empty()) {
    tables = HeldRules(config, options.against).of(family).tables;
  }
  print(in_form(explain_packet(tables, packet, local_addresses), options.output, options.colour));
  return 0;
}

int check(const Config& config, Output output, Colour colour) {
  std::vector<Finding> findings = check_host(config);
  const auto add = [&](std::vector<Finding> more) {
    findings.insert(
        findings.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
  };
  if (config.sources.empty()) {
    try {
      const auto transport = connect(config);
      add(check_authorization(
          [&](const std::string& path, const std::string& json) {
            return transport->post(path, json, {});
          },
          node_name(config, host_name())));
      if (!has_errors(findings)) {
        add(check_lists([&](const std::string& path) { return transport->get(path, {}); },
                        node_name(config, host_name())));
      }
    } catch (const std::exception& error) {
      add({{Finding::Level::kError,
            "API server",
            error.what(),
            "say how to reach it: --kubeconfig, or --master"}});
    }
  }
  if (!has_errors(findings)) {  // else the cluster cannot be had
    try {
      Cluster cluster(config, read_host());
      for (const rules::Family family : kFamilies) {
        const Store::Update services = cluster.services(family);
        add(check_services(*services.snapshot, services.left_out));
      }
    } catch (const std::exception& error) {
      add({{Finding::Level::kWarning, "Services", error.what(), "no Service was looked at"}});
    }
  }
  try {
    add(check_daemon(daemon_text(config, "/metrics")));
  } catch (const std::exception& error) {
    add({{Finding::Level::kOk,
          "daemon",
          fmt::format("no daemon answers at {}: {}", config.metrics_bind_address, error.what()),
          ""}});
  }
  print(output == Output::kJson ? to_json(findings) : to_text(findings, colour));
  return has_errors(findings) ? 1 : 0;
}

}  // namespace proxy
