#include "rules/iptc_entry.h"

#include <fstream>
#include <stdexcept>

#include <catch2/catch.hpp>

#include "rules/text.h"
#include "test/support/parity_files.h"

using namespace rules;

namespace {

std::vector<std::uint8_t> encoded(const Rule& rule, Family family) {
  std::vector<std::uint8_t> bytes(entry_size(rule, family), 0xaa);  // nothing may stay as it was
  encode(rule, family, bytes);
  return bytes;
}

Rule parsed(const std::string& text, Family family) {
  INFO(text);
  const auto rule = parse_rule(text, family);
  REQUIRE(rule);
  return *rule;
}

/// The text of the rule after a trip through the kernel's form.
std::string there_and_back(const std::string& text, Family family) {
  const Rule rule = parsed(text, family);
  const auto back =
      decode(encoded(rule, family), target_label(rule).value_or("label of an extension"), family);
  REQUIRE(back);
  CHECK(*back == rule);
  return to_string(*back, family);
}

}  // namespace

TEST_CASE("iptc entry: every word of the vocabulary comes back", "[rules][iptc]") {
  const std::string text = GENERATE(values<std::string>({
      "",
      "-j ACCEPT",
      "-j DROP",
      "-j RETURN",
      "-j KUBE-SVC-ABCDEFGHIJKLMNOP",
      "-p tcp -j ACCEPT",
      "-p udp -m udp -j ACCEPT",
      "-p tcp -m tcp --dport 80 -j ACCEPT",
      "-p udp -m udp --dport 65535 -j ACCEPT",
      "-p sctp -m sctp --dport 1 -j ACCEPT",
      "-p sctp -m sctp -j ACCEPT",
      "-p tcp -m tcp --dport 30000:32767 -j ACCEPT",
      "-p udp -m udp --dport 0:1023 -j ACCEPT",
      "-p sctp -m sctp --dport 65000:65535 -j ACCEPT",
      "-i cni0 -j ACCEPT",
      "! -i veth+ -j ACCEPT",
      "-m comment --comment \"a \\\"b\\\"\" -j ACCEPT",
      "-m conntrack --ctstate NEW -j ACCEPT",
      "-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP",
      "-m mark --mark 0x4000/0x4000 -j ACCEPT",
      "-m mark ! --mark 0x80000000/0x80000000 -j RETURN",
      "-m addrtype --dst-type LOCAL -j ACCEPT",
      "-m addrtype --src-type LOCAL -j ACCEPT",
      "-m statistic --mode random --probability 0.33333333349 -j ACCEPT",
      "-m nfacct --nfacct-name  localhost_nps_accepted_pkts -j ACCEPT",
      "-j MARK --set-xmark 0x4000/0x0",
      "-j MASQUERADE",
      "-j MASQUERADE --random-fully",
  }));

  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    CAPTURE(rules::to_string(family));
    CHECK(there_and_back(text, family) == text);
  }
}

TEST_CASE("iptc entry: what depends on the family comes back", "[rules][iptc]") {
  for (const char* text :
       {"-s 10.0.0.1/32 -d 10.96.0.0/12 -j ACCEPT",
        "! -s 127.0.0.0/8 ! -d 1.2.3.4/31 -j ACCEPT",
        "-m recent --set --name L --mask 255.255.255.255 --rsource -j ACCEPT",
        "-m recent --rcheck --seconds 10800 --reap --name KUBE-SEP-ABCDEFGHIJKLMNOP"
        " --mask 255.255.255.255 --rsource -j ACCEPT",
        "-m conntrack --ctstate DNAT -m bpf --bytecode \"6,32 0 0 12,7 0 0 0,32 0 0 16,29 0 1 0,"
        "6 0 0 65535,6 0 0 0\" -j MASQUERADE",
        "-j REJECT --reject-with icmp-port-unreachable",
        "-p tcp -m tcp -j DNAT --to-destination 10.0.0.1:8080"}) {
    CHECK(there_and_back(text, Family::kIpv4) == text);
  }
  for (const char* text :
       {"-s fd00::1/128 -d fd00:10::/64 -j ACCEPT",
        "! -s ::1/128 ! -d fd00::/9 -j ACCEPT",
        "-m recent --set --name L --mask ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff --rsource"
        " -j ACCEPT",
        "-m bpf --bytecode \"18,32 0 0 8,7 0 0 0,32 0 0 24,29 0 13 0,32 0 0 12,7 0 0 0,32 0 0 28,"
        "29 0 9 0,32 0 0 16,7 0 0 0,32 0 0 32,29 0 5 0,32 0 0 20,7 0 0 0,32 0 0 36,29 0 1 0,"
        "6 0 0 65535,6 0 0 0\" -j ACCEPT",
        "-j REJECT --reject-with icmp6-port-unreachable",
        "-p tcp -m tcp -j DNAT --to-destination [fd00::1]:8080"}) {
    CHECK(there_and_back(text, Family::kIpv6) == text);
  }
}

TEST_CASE("iptc entry: every rule of kube-proxy comes back", "[rules][iptc]") {
  std::size_t rules = 0;
  for (const auto& golden : test::golden_cases()) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      const auto file = golden / (family == Family::kIpv4 ? "iptables-save" : "ip6tables-save");
      for (const std::string& text : test::lines(file)) {
        const SaveLine line = parse_save_line(text);
        if (line.kind == SaveLine::Kind::kRule) {
          CHECK(there_and_back(std::string(line.rest), family) == line.rest);
          ++rules;
        }
      }
    }
  }
  CHECK(rules > 5000);
}

TEST_CASE("iptc entry: sizes are those of the kernel's structures", "[rules][iptc]") {
  CHECK(entry_size(parsed("", Family::kIpv4), Family::kIpv4) == 112 + 40);
  CHECK(entry_size(parsed("", Family::kIpv6), Family::kIpv6) == 168 + 40);
  const std::string text = "-p tcp -m comment --comment x -m tcp --dport 80 -j A";
  CHECK(entry_size(parsed(text, Family::kIpv4), Family::kIpv4) == 112 + 288 + 48 + 40);
}

TEST_CASE("iptc entry: conditions outside of the vocabulary are kept apart", "[rules][iptc]") {
  const Rule rule = parsed("-s 10.0.0.1/32 -p tcp -m tcp --dport 80 -j ACCEPT", Family::kIpv4);
  const std::vector<std::uint8_t> original = encoded(rule, Family::kIpv4);

  struct Change {
    std::size_t offset;
    std::uint8_t value;
    const char* what;
  };

  const Change change = GENERATE(Change{9, 1, "a source mask with a hole"},
                                 Change{64, 0xff, "an outgoing interface"},
                                 Change{80, 1, "another protocol"},
                                 Change{82, 1, "fragments"},
                                 Change{83, 0x40, "an inverted protocol"},
                                 Change{112 + 2, 'x', "another extension"},
                                 Change{112 + 31, 1, "another revision"},
                                 Change{112 + 32, 1, "a source port"},
                                 Change{112 + 38, 1, "a range of ports that has none"},
                                 Change{112 + 43, 1, "an inverted port"});
  CAPTURE(change.what);
  std::vector<std::uint8_t> bytes = original;
  bytes[change.offset] = change.value;

  const auto decoded = decode(bytes, "ACCEPT", Family::kIpv4);

  REQUIRE(decoded);
  CHECK_FALSE(*decoded == rule);
  const bool has_other =
      std::any_of(decoded->matches.begin(), decoded->matches.end(), [](const Match& match) {
        return std::holds_alternative<OtherMatch>(match);
      });
  CHECK(has_other);
  CHECK_THROWS_AS(entry_size(*decoded, Family::kIpv4), std::logic_error);
}

TEST_CASE("iptc entry: a target outside of the vocabulary is kept as its bytes", "[rules][iptc]") {
  std::vector<std::uint8_t> bytes =
      encoded(parsed("-j MARK --set-xmark 0x1/0x2", Family::kIpv4), Family::kIpv4);
  bytes[112 + 2] = 'X';

  const auto rule = decode(bytes, "", Family::kIpv4);

  REQUIRE(rule);
  CHECK(to_string(*rule, Family::kIpv4) == "-j XARK rev 2 0100000002000000");
}

TEST_CASE("iptc entry: bytes that are no entry are not decoded", "[rules][iptc]") {
  const std::vector<std::uint8_t> good =
      encoded(parsed("-p tcp -m tcp --dport 80 -j ACCEPT", Family::kIpv4), Family::kIpv4);
  const std::span<const std::uint8_t> all(good);
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(decode(all.first(size), "ACCEPT", Family::kIpv4));
  }
  for (const std::size_t length_field : {std::size_t{88}, std::size_t{112}}) {
    for (const auto length : std::vector<std::uint8_t>{0, 1, 255}) {
      std::vector<std::uint8_t> bad = good;
      bad[length_field] = length;
      bad[length_field + 1] = length;
      CAPTURE(length_field, length);
      CHECK_FALSE(decode(bad, "ACCEPT", Family::kIpv4));
    }
  }
}
