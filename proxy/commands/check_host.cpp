#include <algorithm>
#include <charconv>
#include <filesystem>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <sched.h>

#include "proxy/backends/host_matches.h"
#include "proxy/backends/live_tables.h"
#include "proxy/backends/variant.h"
#include "proxy/commands/check.h"
#include "proxy/host/file.h"
#include "proxy/host/per_family.h"
#include "proxy/host/process.h"
#include "proxy/host/rivals.h"
#include "proxy/kernel/ipvs_mode.h"
#include "proxy/sync/context.h"
#include "proxy/tables/iptables.h"
#include "rules/names.h"

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

/// Whether the processes of the node are seen: the first PID namespace has a fixed number.
bool sees_all_processes() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/ns/pid", ignored) == "pid:[4026531836]";
}

/// Another proxy would fight for the same chains.
std::vector<Finding> check_rivals() {
  std::vector<Finding> findings;
  for (const Rival& rival : find_rivals()) {
    if (rival.name == "kube-proxy") {
      findings.push_back({Level::kWarning,
                          "kube-proxy",
                          to_string(rival) + " runs on this node",
                          "stop it before `run` (kubeadm's upgrade restores its DaemonSet): both "
                          "would write the same chains"});
    }
  }
  if (findings.empty()) {
    findings.push_back({Level::kOk,
                        "kube-proxy",
                        sees_all_processes() ? "no kube-proxy runs here"
                                             : "cannot tell whether kube-proxy runs: a container "
                                               "sees its own processes only",
                        ""});
  }
  if (const auto leftover = ipvs_leftover()) {
    findings.push_back(
        {Level::kWarning, "ipvs", *leftover, "remove it when kube-proxy is stopped"});
  }
  return findings;
}

Finding check_rules(Family family, const IptablesChoice& choice) {
  std::size_t ours = 0;
  std::size_t others = 0;
  try {
    for (const auto& [chain, content] : read_held_tables(family, choice).tables.chains) {
      (rules::is_owned(chain) ? ours : others) += content.rules.size();
    }
  } catch (const std::runtime_error& error) {
    return {Level::kError, "rules", one_line(error.what()), "run as root"};
  }
  return {Level::kOk,
          "rules",
          fmt::format("{}: {} rules in chains of kube-proxy or iptproxy, {} in others",
                      to_string(family),
                      ours,
                      others),
          ""};
}

/// In the network namespace of the calling thread.
Finding try_extensions(const std::string& restore) {
  std::vector<std::string> missing;
  std::string reason;
  for (const Probe& probe : kProbes) {
    const std::string input = probe_input(probe);
    const ProcessResult tried = run({.argv = {restore, "--noflush"}, .input = input});
    if (tried.status != 0) {
      missing.emplace_back(probe.extension);
      reason = one_line(tried.error);
    }
  }
  if (missing.empty()) {
    return {Level::kOk,
            "kernel",
            fmt::format("{}: all {} matches and targets work", restore, std::size(kProbes)),
            ""};
  }
  return {Level::kError,
          "kernel",
          fmt::format("{}: {} do not work: {}", restore, fmt::join(missing, ", "), reason),
          "load the xt_* modules of these extensions"};
}

}  // namespace

std::vector<Finding> check_kernel(const std::vector<std::string>& programs) {
  std::vector<Finding> findings;
  // A namespace of the thread: the programs that it starts inherit it.
  std::jthread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      findings.push_back({Level::kWarning,
                          "kernel",
                          "cannot tell whether all matches and targets work: that is tried in a "
                          "network namespace of its own, and making one is not permitted here",
                          "run `iptproxy check` as root on the node itself to know"});
      return;
    }
    for (const std::string& restore : programs) {
      findings.push_back(try_extensions(restore));
    }
  }).join();
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

/// Nothing if it can be had.
std::vector<Finding> check_affinity(const IptablesChoice& choice) {
  if (has_affinity_match(choice)) {
    return {};
  }
  return {{Level::kWarning,
           "session affinity",
           fmt::format("left out: {}", kNoAffinityMatch),
           "load xt_recent, and start the proxy anew"}};
}

/// The rules that are there, and what the programs can do to them.
std::vector<Finding> check_tables(const IptablesChoice& choice, bool has_programs) {
  std::vector<Finding> findings;
  std::vector<std::string> programs;
  for (const Family family : kFamilies) {
    if (has_programs || (choice.in_process && choice.variant == Variant::kNft)) {
      findings.push_back(check_rules(family, choice));
    }
    programs.push_back(program(family, choice.variant, "-restore"));
  }
  if (has_programs) {
    std::ranges::move(check_kernel(programs), std::back_inserter(findings));
  }
  return findings;
}

std::vector<Finding> check_host(const Config& config) {
  std::vector<Finding> findings;
  const IptablesTraces traces = look_for_iptables(config.iptables_backend);
  const bool has_programs = traces.legacy.has_programs || traces.nft.has_programs;
  if (!has_programs && config.iptables_backend == IptablesBackend::kRestore) {
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
       fmt::format("{}: would use {}, because {}",
                   has_programs ? iptables_version()
                                : "no iptables programs are here, and none is needed to run",
                   describe(choice),
                   choice.reason),
       ""});
  findings.push_back(check_layout(config.iptables_layout, choice));
  std::ranges::move(check_affinity(choice), std::back_inserter(findings));
  for (const std::string& warning : choice.warnings) {
    findings.push_back(
        {Level::kWarning, "iptables", warning, "remove the rules of the variant that is not used"});
  }
  std::ranges::move(check_tables(choice, has_programs), std::back_inserter(findings));
  findings.push_back(check_conntrack());
  findings.push_back(check_sysctl("net.ipv4.ip_forward",
                                  "set it to 1 on the node: pods are reached by forwarding"));
  if (wants_localhost_node_ports(context_settings(config))) {
    findings.push_back(
        check_sysctl("net.ipv4.conf.all.route_localnet",
                     "node ports on 127.0.0.1 need it: `run` and `run --init-only` set it to 1"));
  }
  std::ranges::move(check_rivals(), std::back_inserter(findings));
  return findings;
}

}  // namespace proxy
