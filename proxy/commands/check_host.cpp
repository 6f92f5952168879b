#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "proxy/backends/hairpin_match.h"
#include "proxy/backends/variant.h"
#include "proxy/commands/check.h"
#include "proxy/host/file.h"
#include "proxy/host/per_family.h"
#include "proxy/host/process.h"
#include "proxy/sync/context.h"
#include "proxy/tables/iptables.h"
#include "rules/names.h"
#include "rules/tables.h"

namespace proxy {

namespace {

using Level = Finding::Level;
using rules::Family;

/// A rule for each extension that the compiler uses, in the chain KUBE-CHECK of a table.
struct Probe {
  std::string_view extension;
  std::string_view table;
  std::string_view rule;
};

constexpr Probe kProbes[] = {
    {"match comment", "filter", "-m comment --comment \"a b\" -j ACCEPT"},
    {"match tcp", "filter", "-p tcp -m tcp --dport 80 -j ACCEPT"},
    {"match udp", "filter", "-p udp -m udp --dport 53 -j ACCEPT"},
    {"match sctp", "filter", "-p sctp -m sctp --dport 80 -j ACCEPT"},
    {"match conntrack", "filter", "-m conntrack --ctstate NEW -j ACCEPT"},
    {"match mark", "filter", "-m mark --mark 0x4000/0x4000 -j ACCEPT"},
    {"match addrtype", "filter", "-m addrtype --dst-type LOCAL -j ACCEPT"},
    {"match statistic", "nat", "-m statistic --mode random --probability 0.5 -j ACCEPT"},
    {"match recent", "nat", "-m recent --name KUBE-CHECK --rcheck --seconds 10 --reap -j ACCEPT"},
    {"target MARK", "nat", "-j MARK --set-xmark 0x4000/0x4000"},
    {"target MASQUERADE", "nat", "-j MASQUERADE --random-fully"},
    {"target DNAT", "nat", "-p tcp -j DNAT --to-destination :80"},
    {"target REJECT", "filter", "-j REJECT"},
};

/// MASQUERADE is for POSTROUTING and DNAT for the chains before routing: nothing leads to
/// KUBE-CHECK, so that any rule may stand in it.
std::string probe_input(const Probe& probe) {
  return fmt::format(
      "*{}\n:KUBE-CHECK - [0:0]\n-A KUBE-CHECK {}\nCOMMIT\n", probe.table, probe.rule);
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::optional<std::uint64_t> number_in(const std::filesystem::path& file) {
  try {
    const std::string text = read_file(file.string());
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc() ? std::optional(number) : std::nullopt;
  } catch (const std::exception&) {
    return std::nullopt;  // an absent setting is a finding, not a failure
  }
}

Finding check_conntrack() {
  const auto count = number_in("/proc/sys/net/netfilter/nf_conntrack_count");
  const auto max = number_in("/proc/sys/net/netfilter/nf_conntrack_max");
  if (!count || !max || *max == 0) {
    return {Level::kError,
            "conntrack",
            "connection tracking is not available",
            "load the module nf_conntrack"};
  }
  const std::uint64_t percent = *count * 100 / *max;
  const bool is_full = percent >= 80;
  return {is_full ? Level::kWarning : Level::kOk,
          "conntrack",
          fmt::format("{} of {} entries in use ({} %)", *count, *max, percent),
          is_full ? "raise conntrack.maxPerCore or conntrack.min, or net.netfilter.nf_conntrack_max"
                  : ""};
}

/// A setting that should be 1.
Finding check_sysctl(std::string_view setting, std::string_view advice) {
  std::string file(setting);
  std::replace(file.begin(), file.end(), '.', '/');
  const auto value = number_in("/proc/sys/" + file);
  const bool good = value == 1;
  return {good ? Level::kOk : Level::kWarning,
          "sysctl",
          fmt::format("{} is {}", setting, value ? std::to_string(*value) : "not there"),
          good ? "" : std::string(advice)};
}

/// A process named kube-proxy would fight for the same chains.
Finding check_kube_proxy() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) {
      continue;
    }
    try {
      if (read_file((entry.path() / "comm").string()) == "kube-proxy\n") {
        return {Level::kWarning,
                "kube-proxy",
                "kube-proxy runs on this node (process " + pid + ")",
                "stop it before `run`: both would write the same chains"};
      }
    } catch (const std::exception&) {
      continue;  // the process has ended meanwhile
    }
  }
  return {Level::kOk, "kube-proxy", "no kube-proxy runs here", ""};
}

Finding check_rules(Family family, const IptablesChoice& choice) {
  const ProcessResult saved = run({.argv = {program(family, choice.variant, "-save")}});
  if (saved.status != 0) {
    return {
        Level::kError, "rules", one_line("cannot read the rules: " + saved.error), "run as root"};
  }
  std::size_t ours = 0;
  std::size_t others = 0;
  for (const auto& [chain, content] : rules::parse_tables(saved.output, family).chains) {
    (rules::is_owned(chain) ? ours : others) += content.rules.size();
  }
  return {Level::kOk,
          "rules",
          fmt::format("{}: {} rules in chains of kube-proxy or iptproxy, {} in others",
                      to_string(family),
                      ours,
                      others),
          ""};
}

}  // namespace

std::vector<Finding> check_kernel(const std::vector<std::string>& programs) {
  std::vector<Finding> findings;
  for (const std::string& restore : programs) {
    std::vector<std::string> missing;
    std::string reason;
    for (const Probe& probe : kProbes) {
      const std::string input = probe_input(probe);
      const ProcessResult tried =
          run({.argv = {"unshare", "-n", restore, "--noflush"}, .input = input});
      if (tried.status != 0) {
        missing.emplace_back(probe.extension);
        reason = one_line(tried.error);
      }
    }
    findings.push_back(
        {missing.empty() ? Level::kOk : Level::kError,
         "kernel",
         missing.empty()
             ? fmt::format("{}: all {} matches and targets work", restore, std::size(kProbes))
             : fmt::format("{}: {} do not work: {}", restore, fmt::join(missing, ", "), reason),
         missing.empty() ? "" : "run as root; load the xt_* modules of these extensions"});
  }
  return findings;
}

Finding check_layout(rules::Layout wanted, const IptablesChoice& choice) {
  if (wanted == rules::Layout::kCompact && !has_hairpin_match(choice)) {
    return {Level::kWarning,
            "layout",
            fmt::format("kube-proxy: {}", kNoHairpinMatch),
            "load xt_bpf, or leave --iptables-layout as it is"};
  }
  return {Level::kOk, "layout", std::string(rules::to_string(wanted)), ""};
}

std::vector<Finding> check_host(const Config& config) {
  std::vector<Finding> findings;
  const IptablesTraces traces = look_for_iptables();
  if (!traces.legacy.has_programs && !traces.nft.has_programs) {
    return {{Level::kError,
             "iptables",
             "no iptables-save and iptables-restore in PATH",
             "install the package iptables"}};
  }
  for (const auto* variant : {&traces.nft, &traces.legacy}) {
    if (!variant->unreadable.empty()) {
      findings.push_back({Level::kError, "iptables", variant->unreadable, "run as root"});
    }
  }
  const IptablesChoice choice = choose_iptables(config.iptables_backend, traces);
  findings.push_back(
      {Level::kOk,
       "iptables",
       fmt::format("{}: would use {}, because {}", choice.version, describe(choice), choice.reason),
       ""});
  findings.push_back(check_layout(config.iptables_layout, choice));
  for (const std::string& warning : choice.warnings) {
    findings.push_back(
        {Level::kWarning, "iptables", warning, "remove the rules of the variant that is not used"});
  }
  std::vector<std::string> programs;
  for (const Family family : kFamilies) {
    programs.push_back(program(family, choice.variant, "-restore"));
    findings.push_back(check_rules(family, choice));
  }
  const auto kernel = check_kernel(programs);
  findings.insert(findings.end(), kernel.begin(), kernel.end());
  findings.push_back(check_conntrack());
  findings.push_back(check_sysctl("net.ipv4.ip_forward",
                                  "set it to 1 on the node: pods are reached by forwarding"));
  if (wants_localhost_node_ports(config)) {
    findings.push_back(
        check_sysctl("net.ipv4.conf.all.route_localnet",
                     "node ports on 127.0.0.1 need it: `run` and `run --init-only` set it to 1"));
  }
  findings.push_back(check_kube_proxy());
  return findings;
}

}  // namespace proxy
