#include <string>
#include <string_view>

#include <catch2/catch.hpp>

#include "rules/trace.h"
#include "test/support/packets.h"

using namespace rules;
using namespace test;

namespace {

Trace send(std::string_view save_text, std::string_view source, std::string_view destination) {
  return trace(parse_tables(save_text, Family::kIpv4),
               packet({"", source, destination, ""}),
               common_local_addresses());
}

}  // namespace

TEST_CASE("trace: what cannot be judged is noted once, if it matters", "[rules][trace]") {
  const Trace result = send(
      "*nat\n"
      "-A PREROUTING -m limit --limit 1/sec -j ACCEPT\n"
      "-A PREROUTING -m limit --limit 1/sec -j ACCEPT\n"
      "-A PREROUTING -d 10.9.9.9/32 -m limit --limit 5/sec -j ACCEPT\n"
      "-A PREROUTING -m limit --limit 6/sec -j LOG\n"
      "-A PREROUTING -j NFQUEUE --queue-num 1\n"
      "-A PREROUTING -j DNAT --to-destination 10.0.0.7:1\n"
      "COMMIT\n",
      "10.0.0.9",
      "10.96.0.10:80");

  CHECK(fate(result) == "ACCEPT?, 10.0.0.7:1?");
  CHECK(result.notes ==
        std::vector<std::string>{
            "condition \"-m limit --limit 1/sec\" cannot be judged: both ways are shown",
            "target \"-j NFQUEUE --queue-num 1\" is not known: what becomes of the packet is not "
            "sure"});
}

TEST_CASE("trace: behind a condition that cannot be judged no share is known", "[rules][trace]") {
  const Trace result = send(
      "*filter\n"
      ":INPUT DROP [0:0]\n"
      "-A INPUT -m set --match-set friends src -j ACCEPT\n"
      "-A INPUT -p tcp -m tcp --dport 443 -j ACCEPT\n"
      "COMMIT\n",
      "203.0.113.2",
      "192.168.0.2:22");

  REQUIRE(result.outcomes.size() == 2);
  for (const Outcome& outcome : result.outcomes) {
    CHECK(outcome.at_least == 0);
    CHECK(outcome.at_most == 1);
    CHECK_FALSE(is_certain(outcome));
  }
  CHECK(result.outcomes[0].verdict == Verdict::kAccept);
  CHECK(result.outcomes[0].path.back().chain.name.view() == "INPUT");
  CHECK(result.outcomes[1].verdict == Verdict::kDrop);
}

TEST_CASE("trace: where both ways meet again, shares are known", "[rules][trace]") {
  const std::string_view both_ways = GENERATE(as<std::string_view>(),
                                              "-A PREROUTING -m set --match-set x src -j LOG\n",
                                              "-A PREROUTING -m set --match-set x src\n",
                                              "-A PREROUTING -m set --match-set x src -j A\n",
                                              "-A PREROUTING -m set --match-set x src -j B\n");
  CAPTURE(both_ways);
  const Trace result = send("*nat\n:A - [0:0]\n:B - [0:0]\n" + std::string(both_ways) +
                                "-A A -s 172.16.0.0/12 -j DROP\n"
                                "-A B -j RETURN\n"
                                "-A B -j DROP\n"
                                "-A PREROUTING -m statistic --mode random --probability 0.5 -j "
                                "DNAT --to-destination 10.0.0.1:1\n"
                                "-A PREROUTING -j DNAT --to-destination 10.0.0.2:1\nCOMMIT\n",
                            "10.0.0.9",
                            "10.96.0.10:80");

  CHECK(fate(result) == "10.0.0.1:1, 10.0.0.2:1");
  CHECK(result.outcomes[0].at_most == Approx(0.5));
  CHECK(result.notes.empty());
}

TEST_CASE("trace: a fate that every way leads to is certain", "[rules][trace]") {
  const Trace result = send(
      "*filter\n"
      ":INPUT DROP [0:0]\n"
      "-A INPUT -m set --match-set friends src -j ACCEPT\n"
      "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n"
      "COMMIT\n",
      "203.0.113.2",
      "192.168.0.2:22");

  CHECK(fate(result) == "ACCEPT");
  CHECK(result.outcomes.at(0).at_least == 1);
}

TEST_CASE("trace: a doubt about some packets leaves the others' shares", "[rules][trace]") {
  const Trace result = send(
      "*nat\n"
      "-A PREROUTING -m statistic --mode random --probability 0.25 -j DNAT --to-destination "
      "10.0.0.1:1\n"
      "-A PREROUTING -m set --match-set x src -j DNAT --to-destination 10.0.0.2:1\n"
      "-A PREROUTING -j DNAT --to-destination 10.0.0.3:1\n"
      "COMMIT\n",
      "10.0.0.9",
      "10.96.0.10:80");

  CHECK(fate(result) == "10.0.0.1:1, 10.0.0.2:1?, 10.0.0.3:1?");
  CHECK(result.outcomes[0].at_least == Approx(0.25));
  CHECK(result.outcomes[1].at_least == 0);
  CHECK(result.outcomes[1].at_most == Approx(0.75));
}

TEST_CASE("trace: a packet that is not tracked skips nat", "[rules][trace]") {
  const auto [target, fate_of_it] = GENERATE(table<std::string_view, std::string_view>({
      {"NOTRACK", "ACCEPT"},
      {"CT --notrack", "ACCEPT"},
      {"CT --zone 1", "10.244.1.8:53"},
      {"DROP", "DROP"},
  }));
  const std::string_view source = GENERATE(as<std::string_view>(), "10.0.0.9", "192.168.0.2");
  CAPTURE(target, source);
  const Trace result =
      send("*raw\n-A PREROUTING -d 10.96.0.10/32 -p tcp -j " + std::string(target) +
               "\n-A OUTPUT -d 10.96.0.10/32 -p tcp -j " + std::string(target) +
               "\nCOMMIT\n*nat\n"
               "-A PREROUTING -j DNAT --to-destination 10.244.1.8:53\n"
               "-A OUTPUT -j DNAT --to-destination 10.244.1.8:53\nCOMMIT\n"
               "*filter\n-A INPUT -m conntrack --ctstate UNTRACKED -j ACCEPT\n"
               "-A FORWARD -m state --state UNTRACKED -j ACCEPT\n"
               "-A OUTPUT -m state --state UNTRACKED -j ACCEPT\nCOMMIT\n",
           source,
           "10.96.0.10:53");

  CHECK(fate(result) == fate_of_it);
  CHECK(result.outcomes[0].untracked == (fate_of_it == "ACCEPT"));
}

TEST_CASE("trace: a rule that cannot be read leaves the share open", "[rules][trace]") {
  const Trace result = send(
      "*nat\n"
      "-A PREROUTING -m comment --comment \"open -j ACCEPT\n"
      "-A PREROUTING -j DNAT --to-destination 10.0.0.7:1\n"
      "COMMIT\n",
      "10.0.0.9",
      "10.96.0.10:80");

  CHECK(fate(result) == "10.0.0.7:1?");
  REQUIRE(result.notes.size() == 1);
  CHECK_THAT(result.notes[0], Catch::Contains("cannot be read"));
}
