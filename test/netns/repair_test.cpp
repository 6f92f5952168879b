#include <algorithm>
#include <sstream>

#include <catch2/catch.hpp>

#include "test/netns/node.h"
#include "test/support/eventually.h"
#include "test/support/generators.h"
#include "test/support/manifests.h"
#include "test/support/network_namespace.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

// Another tool changes the rules of a running proxy, and the proxy puts them right.

using namespace test;
using Catch::Matchers::Contains;

namespace {

struct Tampering {
  std::string what;
  std::string how;          // {} is the iptables of the variant, CHAIN a chain of a Service
  bool spares_rest = true;  // the rest of the tables, which a repair has to leave alone
};

const std::vector<Tampering> kTamperings{
    {"a jump of ours is deleted", "{} -t nat -D PREROUTING 1"},
    {"a rule is put into a chain of a Service", "{} -t nat -I CHAIN -j RETURN"},
    {"a chain of a Service is flushed", "{} -t nat -F CHAIN"},
    {"a fixed chain of table filter is flushed", "{} -t filter -F KUBE-FORWARD"},
    {"a rule is appended to a shared chain", "{} -t nat -A KUBE-SERVICES -j ACCEPT"},
    {"a rule in words that we never use is put into a chain of a Service",
     "{} -t nat -I CHAIN -p icmp -m limit --limit 1/sec -j LOG"},
    {"such a rule is put into a shared chain", "{} -t nat -I KUBE-SERVICES -p icmp -j LOG"},
    {"table nat is flushed", "{} -t nat -F", false},
    // What a firewalld does that starts with its iptables backend.
    {"a firewall starts afresh",
     "for table in nat mangle filter; do {} -t $table -F; {} -t $table -X; done;"
     " {} -N INPUT_ZONES; {} -A INPUT -j INPUT_ZONES; {} -A INPUT_ZONES -j ACCEPT",
     false}};

std::string filled(std::string text, const std::string& iptables, const std::string& chain) {
  const auto replace_all = [&](const std::string& name, const std::string& value) {
    for (auto at = text.find(name); at != std::string::npos; at = text.find(name)) {
      text.replace(at, name.size(), value);
    }
  };
  replace_all("{}", iptables);
  replace_all("CHAIN", chain);
  return text;
}

/// The lines of our chains and jumps, in no order: among Services it means nothing.
std::vector<std::string> ours(const std::string& iptables) {
  std::istringstream save(shell(iptables + "-save"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(save, line);) {
    if (line.find("KUBE") != std::string::npos && !line.starts_with('#')) {
      lines.push_back(line.substr(0, line.find('[')));
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

/// What one reading has and the other has not, a line each: nothing if they are the same.
std::string difference(const std::vector<std::string>& right,
                       const std::vector<std::string>& found) {
  std::vector<std::string> lines;
  std::set_difference(
      right.begin(), right.end(), found.begin(), found.end(), std::back_inserter(lines));
  std::string text;
  for (const std::string& line : lines) {
    text += "missing: " + line + '\n';
  }
  lines.clear();
  std::set_difference(
      found.begin(), found.end(), right.begin(), right.end(), std::back_inserter(lines));
  for (const std::string& line : lines) {
    text += "too much: " + line + '\n';
  }
  return text;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// Gives counters of its own to a chain that nobody tampers with: a repair that wrote it again
/// would lose them.
std::string mark_witness(const std::string& iptables) {
  const std::string chain = first_line(
      shell(iptables + "-save -t nat | grep -o '^:KUBE-SEP-[A-Z0-9]*' | cut -c 2- | tail -n 1"));
  shell("(echo '*nat'; echo ':" + chain + " - [0:0]'; " + iptables +
        "-save -t nat | grep -- '^-A " + chain + " ' | sed 's/^/[7:700] /'; echo COMMIT) | " +
        iptables + "-restore --noflush --counters");
  return "[7:700] -A " + chain;
}

std::string counted(const std::string& iptables) {
  return shell(iptables + "-save -c -t nat");
}

void check_repairs(const std::string& variant) {
  const std::string iptables = "iptables-" + variant;
  const NetworkNamespace network;
  leave_hint_of_kubelet(variant);
  const TemporaryFolder folder;
  // More than 1,000 endpoints: where kube-proxy's syncs leave out what did not change (spec §4.3).
  folder.write("cluster.json", to_manifests(uniform_cluster({.services = 130, .endpoints = 10})));
  const Program daemon({.argv = {test::program_path(),
                                 "--source=" + folder.path().string(),
                                 "--hostname-override=" + std::string(kNodeName),
                                 "--conntrack-max-per-core=0"}});
  const auto repairs = [] {
    return first_line(
        shell("curl -s http://127.0.0.1:10249/metrics | grep '^iptproxy_drift_repairs_total'"
              " | grep IPv4 || true"));
  };
  REQUIRE(
      eventually([] { return !shell("curl -sf http://127.0.0.1:10256/healthz || true").empty(); }));
  shell(iptables + " -t mangle -X KUBE-IPTABLES-HINT");  // not ours to repair
  // iptables-nft-save 1.8.9 prints rules twice if a commit comes in between: two readings have to
  // agree.
  std::vector<std::string> right;
  REQUIRE(eventually([&] {
    std::vector<std::string> before = ours(iptables);
    right.swap(before);
    return right == before;
  }));
  REQUIRE(right.size() > 1000);
  const std::string chain =
      first_line(shell(iptables + "-save -t nat | grep -o '^:KUBE-SVC-[A-Z0-9]*' | cut -c 2-"));

  for (const Tampering& tampering : kTamperings) {
    CAPTURE(iptables, tampering.what);
    const std::string witness = mark_witness(iptables);
    const std::string before = repairs();
    shell(filled(tampering.how, iptables, chain));
    std::string differs;
    eventually([&] { return (differs = difference(right, ours(iptables))).empty(); });
    CHECK(differs == "");
    CHECK(eventually([&] { return repairs() != before; }));
    if (tampering.spares_rest) {
      CHECK_THAT(counted(iptables), Contains(witness));
    }
  }
  CHECK_THAT(shell(iptables + "-save"), Contains("-A INPUT -j INPUT_ZONES"));
}

}  // namespace

TEST_CASE("repair: what another tool does to our rules on nft is undone, and only that",
          "[netns][repair]") {
  check_repairs("nft");
}

TEST_CASE("repair: what another tool does to our rules on legacy is undone, and only that",
          "[netns][repair]") {
  check_repairs("legacy");
}
