#include "test/netns/handover.h"

#include <sstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/host/process.h"
#include "test/support/accounting_objects.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"

namespace test {

namespace {

/// kubelet's mark, by which iptproxy knows the variant.
void leave_hint(proxy::Variant variant) {
  shell(fmt::format("iptables-{} -t mangle -N KUBE-IPTABLES-HINT", proxy::to_string(variant)));
}

}  // namespace

HandoverNode::HandoverNode(proxy::Variant variant, std::uint16_t port)
    : lab_(rules::Family::kIpv4),
      here_(lab_, Site::kHere, at({"10.244.1.5"}, port)),
      there_(lab_, Site::kThere, at({"10.244.2.5", "10.244.2.6"}, port)) {
  make_accounting_objects();
  leave_hint(variant);
}

std::vector<rules::SocketAddress> at(std::initializer_list<const char*> addresses,
                                     std::uint16_t port) {
  std::vector<rules::SocketAddress> sockets;
  for (const char* address : addresses) {
    sockets.push_back({*rules::IpAddress::parse(address), port});
  }
  return sockets;
}

std::map<std::string, std::uint64_t> endpoint_packets(proxy::Variant variant) {
  std::map<std::string, std::uint64_t> packets;
  std::istringstream lines(
      shell(fmt::format("iptables-{}-save -c -t nat", proxy::to_string(variant))));
  for (std::string line; std::getline(lines, line);) {
    const auto end = line.find("] ");
    if (line.starts_with('[') && line.find("-A KUBE-SEP-", end) == end + 2) {
      packets[line.substr(end + 2)] = std::stoull(line.substr(1));
    }
  }
  return packets;
}

std::vector<std::string> rewritten(const std::map<std::string, std::uint64_t>& before,
                                   const std::map<std::string, std::uint64_t>& after) {
  std::vector<std::string> rules;
  for (const auto& [rule, packets] : before) {
    const auto now = after.find(rule);
    if (now == after.end() || now->second < packets) {
      rules.push_back(rule);
    }
  }
  return rules;
}

void take_over(const Golden& golden, rules::Layout layout) {
  std::vector<std::string> argv{program_path(),
                                "run",
                                "--once",
                                fmt::format("--iptables-layout={}", rules::to_string(layout)),
                                "--source",
                                (golden.folder / "manifests.json").string()};
  for (const std::string& flag : lines(golden.folder / "args")) {
    argv.push_back(flag);
  }
  const auto result = proxy::run({.argv = argv});
  INFO(result.error);
  REQUIRE(result.status == 0);
}

void check_unharmed(Traffic& traffic) {
  for (const Traffic::Count& count : traffic.stop()) {
    CAPTURE(name_of(count.kind), count.requests, count.first_failure);
    CHECK(count.requests > 0);
    CHECK(count.failures == 0);
  }
}

}  // namespace test
