#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/lab/clients.h"
#include "test/support/random.h"

// Everything at once, and clients that count. IPTPROXY_CHAOS_SECONDS says how long.

using namespace test::lab;
using rules::Family;
using test::service;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::size_t kServices = 500;
constexpr std::size_t kClientsANode = 16;
constexpr std::chrono::milliseconds kBetweenChanges{50};
constexpr std::chrono::seconds kBetweenKills{5};
constexpr std::chrono::seconds kShortRun{12};

// What happens where.
constexpr std::size_t kKilled = 1;
constexpr std::size_t kFlushed = 2;
constexpr std::size_t kShared = 3;  // with other tools

std::chrono::seconds length_of_run() {
  const char* seconds = std::getenv("IPTPROXY_CHAOS_SECONDS");
  return seconds == nullptr ? kShortRun : std::chrono::seconds(std::atoi(seconds));
}

std::vector<std::string> addresses_of(std::size_t number) {
  return {fmt::format("10.97.{}.{}", number / 200, 1 + number % 200),
          fmt::format("fd00:10:97::{:x}", 1 + number)};
}

/// A Service with some of the pods behind it, at least one.
Objects some_service(const Lab& lab, std::size_t number, test::Random& random) {
  Objects objects;
  const std::string name = fmt::format("chaos/s{}", number);
  objects.services = {service(name, addresses_of(number)).port("p", 80).build()};
  std::vector<Member> members;
  const std::size_t always = random.below(6);
  for (std::size_t i = 0; i < 6; ++i) {
    if (i == always || random.below(4) != 0) {
      members.push_back({lab.network().pods()[i]->name});
    }
  }
  add(objects, lab, {name, {{"p"}}, members});
  return objects;
}

/// Clients in the pods of a node, and on it, of all Services in turn.
std::vector<Clients::Asking> clients_of(const Lab& lab, std::size_t node) {
  const std::vector<const Host*> hosts{&lab.host(fmt::format("pod-{}a", node)),
                                       &lab.host(fmt::format("pod-{}b", node)),
                                       &lab.network().node(node)};
  std::vector<Clients::Asking> all;
  for (std::size_t client = 0; client < kClientsANode; ++client) {
    const Host* from = hosts[client % hosts.size()];
    all.emplace_back([from, client](std::uint64_t count) {
      const std::size_t number = (client * 31 + count) % kServices;
      return ask(*from,
                 {.to = {rules::IpAddress::parse(addresses_of(number)[count / 7 % 2]).value(), 80},
                  .patience = std::chrono::seconds(20)});
    });
  }
  return all;
}

/// As a firewall does that writes its own chains again and again.
constexpr std::string_view kOtherTool =
    "for program in iptables ip6tables; do $program-restore -w 5 --noflush <<'RULES'\n"
    "*filter\n:FIREWALL-IN - [0:0]\n:DOCKER-USER - [0:0]\n-F FIREWALL-IN\n-F DOCKER-USER\n"
    "-A FIREWALL-IN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    "-A DOCKER-USER -j RETURN\nCOMMIT\n"
    "*nat\n:FIREWALL-POST - [0:0]\n-F FIREWALL-POST\n-A FIREWALL-POST -j RETURN\nCOMMIT\nRULES\n"
    "done";

struct Use {
  std::size_t rss_kb = 0;
  std::size_t descriptors = 0;
};

Use use_of(const Lab& lab, std::size_t node) {
  const pid_t pid = lab.proxy(node).pid();
  Use use;
  std::ifstream status(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) {
      use.rss_kb = std::strtoul(line.c_str() + 6, nullptr, 10);
    }
  }
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", pid))) {
    ++use.descriptors;
  }
  return use;
}

/// Whether `period` is over since `last`, which is then now.
bool is_due(Clock::time_point& last, std::chrono::milliseconds period) {
  if (Clock::now() - last < period) {
    return false;
  }
  last = Clock::now();
  return true;
}

/// Changes of Services, kills, flushes and other tools, for that long.
void rage(Lab& lab, test::Random& random, std::chrono::milliseconds how_long) {
  const auto start = Clock::now();
  Clock::time_point killed = start;
  Clock::time_point flushed = start;
  Clock::time_point shared = start;
  const std::chrono::milliseconds between_flushes =
      length_of_run() > std::chrono::seconds(60) ? std::chrono::seconds(20) : kBetweenKills;
  while (Clock::now() - start < how_long) {
    const auto next = Clock::now() + kBetweenChanges;
    const std::size_t number = random.below(kServices);
    lab.publish_besides(fmt::format("s{}", number), some_service(lab, number, random));
    if (is_due(killed, kBetweenKills)) {
      lab.kill_proxy(kKilled);
      lab.start_proxy(kKilled);
    }
    if (is_due(flushed, between_flushes)) {
      lab.on_node(kFlushed, "iptables -w 5 -t nat -F KUBE-SERVICES");
      lab.on_node(kFlushed, "ip6tables -w 5 -t nat -F");
    }
    if (is_due(shared, std::chrono::milliseconds(500))) {
      lab.on_node(kShared, std::string(kOtherTool));
    }
    std::this_thread::sleep_until(next);
  }
}

}  // namespace

TEST_CASE("chaos: where rules are not flushed no connection fails, whatever happens",
          "[netns][chaos]") {
  const Setup setup = length_of_run() > kShortRun ? in_each_setup() : in_each_variant();
  CAPTURE(to_string(setup));
  Lab lab({.setup = setup});
  test::Random random(7);
  for (std::size_t number = 0; number < kServices; ++number) {
    lab.publish_besides(fmt::format("s{}", number), some_service(lab, number, random));
  }
  lab.apply({});
  std::map<std::size_t, Clients> clients;
  for (const std::size_t node : {kKilled, kFlushed, kShared}) {
    clients.try_emplace(node, clients_of(lab, node));
  }

  rage(lab, random, length_of_run() / 3);
  const Use before = use_of(lab, kShared);
  rage(lab, random, length_of_run() - length_of_run() / 3);
  const Use after = use_of(lab, kShared);

  std::string report;
  for (auto& [node, some] : clients) {
    const Clients::Tally tally = some.stop();
    report += fmt::format("node-{}: {} asked, {} failed ({}; the longest after {} ms); ",
                          node,
                          tally.asked,
                          tally.failed,
                          tally.first_failure,
                          tally.longest_wait.count());
    CAPTURE(node, tally.asked, tally.first_failure);
    CHECK(tally.asked > 100);
    CHECK((node == kFlushed || tally.failed == 0));
  }
  WARN(fmt::format("{}: {}RSS {} -> {} kB, descriptors {} -> {}",
                   to_string(setup),
                   report,
                   before.rss_kb,
                   after.rss_kb,
                   before.descriptors,
                   after.descriptors));
  CHECK(after.rss_kb < before.rss_kb + before.rss_kb / 4);
  CHECK(after.descriptors <= before.descriptors + 4);
}
