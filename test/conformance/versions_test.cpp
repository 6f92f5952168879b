#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"
#include "test/support/lab/clients.h"
#include "test/support/temporary_folder.h"

// Other versions of iptables on a node: OTHER_IPTABLES names folders, separated by colons, in each
// of which there are iptables-nft, ip6tables-legacy-restore and so on.

using namespace test::lab;
using rules::Family;
using test::eventually;
using test::service;

namespace {

constexpr std::size_t kServices = 40;

std::vector<std::string> other_programs() {
  const char* folders = std::getenv("OTHER_IPTABLES");
  if (folders == nullptr) {
    test::skip("OTHER_IPTABLES names no folder of iptables programs");
  }
  std::vector<std::string> found;
  std::istringstream all(folders);
  for (std::string folder; std::getline(all, folder, ':');) {
    found.push_back(folder);
  }
  return found;
}

/// Services of one kind after the other; which pods are behind one depends on `turn`.
Objects some_services(const Lab& lab, std::size_t turn) {
  Objects objects;
  for (std::size_t number = 0; number < kServices; ++number) {
    const std::string name = fmt::format("versions/s{}", number);
    auto builder = service(name, cluster_ips(static_cast<int>(100 + number)));
    builder.port("p", 80);
    if (number % 3 == 1) {
      builder.type("NodePort").node_port(static_cast<std::uint16_t>(31000 + number));
    }
    if (number % 3 == 2) {
      builder.client_ip_affinity(600).external_ips({balancer_ip(static_cast<int>(100 + number))});
    }
    objects.services.push_back(builder.build());
    std::vector<Member> members{{"pod-2a"}};
    const std::size_t others = (number + turn) % 4;
    for (std::size_t i = 0; i < others; ++i) {
      members.push_back({lab.network().pods()[i == 2 ? 4 : i]->name});
    }
    add(objects, lab, {name, {{"p"}}, members});
  }
  return objects;
}

/// Clients in the pods of node-3 and on it.
std::vector<Clients::Asking> askers(const Lab& lab) {
  std::vector<Clients::Asking> all;
  for (const char* name : {"pod-3a", "pod-3b", "node-3"}) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      all.emplace_back([&lab, from = &lab.host(name), family](std::uint64_t count) {
        const std::string to = fmt::format("cluster {}", 100 + count % kServices);
        return ask(*from,
                   {.to = {address_of(lab, to, family), 80}, .patience = std::chrono::seconds(20)});
      });
    }
  }
  return all;
}

/// Rules of `iptables-save` there, of the proxy alone.
std::string count_of_ours(const Lab& lab, const std::string& save) {
  return lab.on_node(3, save + " | grep -c -- '-A KUBE'");
}

/// What a firewall does with the programs in `folder`: chains and jumps of its own, written again
/// each time, rule by rule and as a whole.
std::string firewall_script(const std::string& folder, const std::string& variant) {
  std::string script = "set -e\n";
  for (const std::string family : {"iptables", "ip6tables"}) {
    const std::string program = fmt::format("{}/{}-{}", folder, family, variant);
    script += fmt::format(
        "{0}-restore -w 5 --noflush <<'RULES'\n"
        "*filter\n:OTHER-IN - [0:0]\n-F OTHER-IN\n"
        "-A OTHER-IN -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n"
        "*nat\n:OTHER-POST - [0:0]\n-F OTHER-POST\n-A OTHER-POST -j RETURN\nCOMMIT\nRULES\n"
        "{0} -w 5 -C INPUT -j OTHER-IN 2>/dev/null && {0} -w 5 -D INPUT -j OTHER-IN || true\n"
        "{0} -w 5 -I INPUT -j OTHER-IN\n"
        "{0} -w 5 -t nat -A OTHER-POST -p tcp --dport 9 -m comment --comment other -j RETURN\n",
        program);
  }
  return script;
}

/// Programs that write down that they are used, and are those of `folder`.
void write_programs(const test::TemporaryFolder& into, const std::string& folder) {
  for (const std::string family : {"iptables", "ip6tables"}) {
    for (const std::string variant : {"-nft", "-legacy"}) {
      for (const std::string suffix : {"", "-save", "-restore"}) {
        const std::string name = family + variant + suffix;
        const auto path = into.write(name,
                                     fmt::format("#!/bin/sh\necho {1} >> {0}/used\n"
                                                 "exec {2}/{1} \"$@\"\n",
                                                 into.path().string(),
                                                 name,
                                                 folder));
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
      }
    }
  }
}

}  // namespace

TEST_CASE("versions: another iptables writes its own rules beside ours, and reads ours",
          "[netns][versions]") {
  const std::vector<std::string> folders = other_programs();
  const Setup setup = in_each_variant();
  const std::string folder = GENERATE_COPY(from_range(folders));
  CAPTURE(to_string(setup), folder);
  Lab lab({.setup = setup, .flags = {"--iptables-min-sync-period=10ms"}});
  lab.apply(some_services(lab, 0));
  Clients clients(askers(lab));

  for (std::size_t turn = 1; turn <= 20; ++turn) {
    lab.publish(some_services(lab, turn));
    lab.on_node(3, firewall_script(folder, setup.variant));
    lab.await_programmed();
  }
  const Clients::Tally tally = clients.stop();
  CAPTURE(tally.asked, tally.first_failure);
  CHECK(tally.asked > 100);
  CHECK(tally.failed == 0);
  const std::string other = fmt::format("{}/iptables-{}", folder, setup.variant);
  CHECK(lab.on_node(3, other + " -w 5 -S INPUT").find("-A INPUT -j OTHER-IN") != std::string::npos);
  CHECK(count_of_ours(lab, other + "-save") == count_of_ours(lab, "iptables-save"));

  lab.on_node(3, other + " -w 5 -t nat -F");
  CHECK(eventually([&] {
    return ask(lab.host("pod-3a"), {.to = {address_of(lab, "cluster 101", Family::kIpv4), 80}})
        .is_answer();
  }));
  CHECK(lab.log(3).find("Sync failed") == std::string::npos);
}

TEST_CASE("versions: another iptables' restore programs program a node", "[netns][versions]") {
  const std::vector<std::string> folders = other_programs();
  Setup setup = in_each_variant();
  setup.backend = "restore";
  const std::string folder = GENERATE_COPY(from_range(folders));
  CAPTURE(to_string(setup), folder);
  const test::TemporaryFolder programs;
  write_programs(programs, folder);
  Lab lab({.setup = setup,
           .flags = {"--iptables-min-sync-period=10ms"},
           .programs = programs.path().string()});
  lab.apply(some_services(lab, 0));
  Clients clients(askers(lab));

  for (std::size_t turn = 1; turn <= 20; ++turn) {
    lab.apply(some_services(lab, turn));
  }
  const Clients::Tally tally = clients.stop();
  CAPTURE(tally.asked, tally.first_failure);
  CHECK(tally.asked > 100);
  CHECK(tally.failed == 0);
  CHECK(lab.log(3).find("Sync failed") == std::string::npos);
  const std::string used = lab.on_node(3, "cat " + (programs.path() / "used").string());
  CHECK(used.find(fmt::format("iptables-{}-restore", setup.variant)) != std::string::npos);
  const std::string other = fmt::format("{}/iptables-{}", folder, setup.variant);
  CHECK(count_of_ours(lab, other + "-save") == count_of_ours(lab, "iptables-save"));
}
