#include "rules/text.h"

#include <catch2/catch.hpp>

#include "test/support/parity_files.h"

using namespace rules;

namespace {

/// Calls visit(family, text of the rule) for each rule of these iptables-save files; how many there
/// were.
template <typename Visit>
std::size_t for_each_rule(const std::vector<std::filesystem::path>& files, const Visit& visit) {
  std::size_t rules = 0;
  for (const auto& file : files) {
    const Family family =
        file.filename().string().starts_with("ip6") ? Family::kIpv6 : Family::kIpv4;
    for (const std::string& text : test::lines(file)) {
      const SaveLine line = parse_save_line(text);
      if (line.kind == SaveLine::Kind::kRule) {
        CAPTURE(file, text);
        visit(family, line.rest);
        ++rules;
      }
    }
  }
  return rules;
}

}  // namespace

TEST_CASE(
    "text: every rule of kube-proxy and of the seed's nodes is read and printed byte for byte",
    "[rules][text]") {
  const std::size_t rules =
      for_each_rule(test::save_files(), [](Family family, std::string_view text) {
        const auto rule = parse_rule(text, family);
        REQUIRE(rule);
        REQUIRE(to_string(*rule, family) == text);
      });

  CHECK(rules > 5000);
}

TEST_CASE("text: kube-proxy's rules have no part that the vocabulary cannot say", "[rules][text]") {
  auto files = test::save_files();
  std::erase_if(
      files, [](const auto& file) { return file.string().find("/goldens/") == std::string::npos; });

  for_each_rule(files, [](Family family, std::string_view text) {
    const auto rule = parse_rule(text, family);
    REQUIRE(rule);
    for (const Match& match : rule->matches) {
      REQUIRE(!std::holds_alternative<OtherMatch>(match));
    }
    REQUIRE(!std::holds_alternative<OtherTarget>(rule->target));
  });
}

TEST_CASE("text: what the vocabulary cannot say is kept as text", "[rules][text]") {
  struct Row {
    std::string_view text;
    std::size_t other_matches;
    bool other_target;
  };

  const auto row = GENERATE(values<Row>({
      {"-s 10.0.0.0/8 ! -o docker0 -j MASQUERADE", 1, false},
      {"-p icmp -m icmp --icmp-type 8 -j ACCEPT", 2, false},
      {"-p tcp -m multiport --dports 80,443 -m comment --comment \"a -j b\" -j RETURN", 1, false},
      {"-m conntrack ! --ctstate NEW -m set ! --match-set x src -j DROP", 1, false},
      {"-p tcp -m tcp --dport 22 ! --tcp-flags SYN,RST SYN -j DROP", 1, false},
      {"-m statistic --mode nth --every 3 --packet 0 -j ACCEPT", 1, false},
      {"-p tcp -m tcp --dport 90:80 -j ACCEPT", 1, false},
      {"-m bpf --bytecode \"1,6 0 0 65535\" -j ACCEPT", 1, false},
      {"-j LOG --log-prefix \"a b\"", 0, true},
      {"-j REJECT --reject-with tcp-reset", 0, true},
      {"-g OTHER", 0, true},
      {"-j NFLOG", 0, true},
      {"-j DNAT --to-destination 10.0.0.1:80-90", 0, true},
      {"-m mark --mark 0x1 -j DOCKER", 0, false},
  }));
  CAPTURE(row.text);

  const auto rule = parse_rule(row.text, Family::kIpv4);

  REQUIRE(rule);
  CHECK(std::count_if(rule->matches.begin(), rule->matches.end(), [](const Match& match) {
          return std::holds_alternative<OtherMatch>(match);
        }) == static_cast<long>(row.other_matches));
  CHECK(std::holds_alternative<OtherTarget>(rule->target) == row.other_target);
  const auto again = parse_rule(to_string(*rule, Family::kIpv4), Family::kIpv4);
  CHECK(again == rule);
}

TEST_CASE("text: a text that is no rule is refused", "[rules][text]") {
  const auto* text =
      GENERATE("-j", "-m", "nonsense", "-m comment --comment \"open", "!", "-s 10.0.0.1 -j");
  CAPTURE(text);
  CHECK(!parse_rule(text, Family::kIpv4));
}

TEST_CASE("text: comments are quoted as iptables quotes them", "[rules][text]") {
  struct Row {
    std::string_view comment;
    std::string_view printed;
  };

  const auto row = GENERATE(values<Row>({
      {"plain_name-1", "-m comment --comment plain_name-1"},
      {"ns1/svc1:p80", "-m comment --comment \"ns1/svc1:p80\""},
      {"a \"b\" \\ 'c'", R"(-m comment --comment "a \"b\" \\ \'c\'")"},
      {"", "-m comment --comment \"\""},
      {"100% -j DROP", "-m comment --comment \"100% -j DROP\""},
  }));
  const Rule rule{.matches = {Comment{std::string(row.comment)}}};

  CHECK(to_string(rule, Family::kIpv4) == row.printed);
  CHECK(parse_rule(row.printed, Family::kIpv4) == rule);
}

TEST_CASE("text: probabilities are printed from the kernel's integer, half to even",
          "[rules][text]") {
  struct Row {
    std::uint32_t threshold;
    std::string_view printed;
  };

  const auto row = GENERATE(values<Row>({
      {0x80000000U, "1.00000000000"},
      {0x40000000U, "0.50000000000"},
      {715827883U, "0.33333333349"},
      {1U << 19, "0.00024414062"},
      {3U << 19, "0.00073242188"},
      {0U, "0.00000000000"},
      {0x7fffffffU, "0.99999999953"},
  }));
  const std::string expected =
      "-m statistic --mode random --probability " + std::string(row.printed);

  CHECK(to_string(Rule{.matches = {Probability{row.threshold}}}, Family::kIpv4) == expected);
  CHECK(parse_rule(expected, Family::kIpv4) == Rule{.matches = {Probability{row.threshold}}});
}

TEST_CASE("text: lines of a dump are told apart", "[rules][text]") {
  CHECK(parse_save_line("*nat").kind == SaveLine::Kind::kTable);
  CHECK(parse_save_line("*nat").name == "nat");
  CHECK(parse_save_line(":KUBE-SERVICES - [0:0]").name == "KUBE-SERVICES");
  CHECK(parse_save_line(":INPUT ACCEPT [9:1]").rest == "ACCEPT [9:1]");
  CHECK(parse_save_line("[12:345] -A X -j ACCEPT").rest == "-j ACCEPT");
  CHECK(parse_save_line("-A EMPTY").rest.empty());
  CHECK(parse_save_line("COMMIT").kind == SaveLine::Kind::kCommit);
  CHECK(parse_save_line("# Generated by iptables-save").kind == SaveLine::Kind::kOther);
  CHECK(parse_save_line("").kind == SaveLine::Kind::kOther);
}
