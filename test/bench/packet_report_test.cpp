#include "bench/packet_report.h"

#include <regex>

#include <catch2/catch.hpp>
#include <simdjson.h>

using namespace bench;
using Catch::Matchers::Contains;

namespace {

PacketFigures figures(const std::string& rules, const Size& size, double us) {
  return {.rules = rules,
          .what = "tcp service",
          .size = size,
          .us = {.runs = 7, .p10 = us / 2, .p50 = us, .p90 = us * 2, .p99 = us * 3}};
}

PacketReport report_of(std::vector<PacketFigures> all) {
  return {.machine = {.processor = "Some <CPU> & \"Co\"",
                      .cores = 2,
                      .kernel = "6.1",
                      .iptables = "iptables v1.8.9",
                      .clock = "wall time"},
          .figures = std::move(all)};
}

PacketReport example() {
  return report_of({figures(kNoRules, {}, 16.25),
                    figures("nft", {100, 10}, 27),
                    figures("nft", {30'000, 10}, 216.5),
                    figures("nft compact", {100, 10}, 20),
                    figures("nft compact", {30'000, 10}, 25),
                    figures("nft compact", {100, 1000}, 27)});
}

}  // namespace

TEST_CASE("packet report: many Services, and many endpoints, may cost a packet 1.3 times as much",
          "[bench][report]") {
  const auto judgements = judge(example());

  REQUIRE(judgements.size() == 2);  // kube-proxy's layout has no budget
  CHECK(judgements[0].size == Size{30'000, 10});
  CHECK(judgements[0].against == "100x10");
  CHECK(judgements[0].ratio == 1.25);
  CHECK(judgements[0].is_met());
  CHECK(judgements[1].size == Size{100, 1000});
  CHECK(judgements[1].ratio == 1.35);
  CHECK_FALSE(judgements[1].is_met());
  CHECK(judge(report_of({figures("nft compact", {30'000, 10}, 25)})).empty());
}

TEST_CASE("packet report: the compact layout may not be behind kube-proxy's nftables mode",
          "[bench][report]") {
  const auto [us, is_met] = GENERATE(table<double, bool>({{24.0, true}, {23.5, false}}));
  const auto judgements = judge(report_of({figures(kNftablesMode, {1000, 10}, us),
                                           figures(kNftablesMode, {100, 10}, 1),
                                           figures("nft", {1000, 10}, 200),
                                           figures("nft compact", {1000, 10}, 25)}));

  REQUIRE(judgements.size() == 1);
  CHECK(judgements[0].rules == "nft compact");
  CHECK(judgements[0].against == kNftablesMode);
  CHECK(judgements[0].is_met() == is_met);
}

TEST_CASE("packet report: the JSON is JSON and has every figure", "[bench][report]") {
  simdjson::dom::parser parser;
  const std::string text = to_json(example());
  INFO(text);
  const simdjson::dom::element json = parser.parse(text);

  CHECK(json["figures"].get_array().size() == 6);
  CHECK(double(json.at_pointer("/figures/2/p99_us")) == 649.5);
  CHECK(std::string_view(json.at_pointer("/machine/processor")) == "Some <CPU> & \"Co\"");
  CHECK(bool(json.at_pointer("/judgements/0/met")));
  CHECK(parser.parse(to_json(report_of({}))).error() == simdjson::SUCCESS);
}

TEST_CASE("packet report: text and page tell the same numbers and verdicts", "[bench][report]") {
  for (const std::string& report : {to_text(example()), to_html(example())}) {
    INFO(report);
    CHECK_THAT(report, Contains("16.2") && Contains("216.5") && Contains("649.5"));
    CHECK_THAT(report, Contains("1.25") && Contains("not met"));
  }
}

TEST_CASE("packet report: the page refers to nothing outside of it", "[bench][report]") {
  const std::string page = to_html(example());

  CHECK_FALSE(std::regex_search(page, std::regex("https?:|//[a-z]|\\b(src|href)=|@import|url\\(")));
  CHECK_THAT(page, !Contains("<script") && !Contains("<CPU>"));
  CHECK_THAT(page, Contains("By the number of Services") && Contains("<polyline"));
}
