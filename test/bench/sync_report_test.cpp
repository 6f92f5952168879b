#include "bench/sync_report.h"

#include <map>
#include <regex>
#include <set>
#include <sstream>

#include <catch2/catch.hpp>
#include <simdjson.h>

using namespace bench;
using Catch::Matchers::Contains;

namespace {

constexpr Size kLarge{.services = 10'000, .endpoints = 10};

Quantiles time(double p50) {
  return {.runs = 7, .p50 = p50, .p90 = p50 * 2, .p99 = p50 * 3};
}

Figures figures(Subject subject, Way way, const Size& size) {
  Figures made{.subject = subject,
               .way = way,
               .size = size,
               .nat_rules = 320'005,
               .rss_bytes = 80'000'000,
               .child_rss_bytes = 30'000'000};
  made[Event::kColdStart] = time(1400);
  made[Event::kOneEndpoint] = time(123.5);
  made[Event::kNothing] = time(0.0625);
  return made;
}

Report report_of(std::vector<Figures> all) {
  return {.machine = {.processor = "Some <CPU> & \"Co\"",
                      .cores = 2,
                      .kernel = "6.1",
                      .iptables = "iptables v1.8.9",
                      .clock = "wall time"},
          .figures = std::move(all)};
}

Report example() {
  Figures syncer = figures(Subject::kSyncer, Way::kLibiptc, kLarge);
  syncer.bare_commit = time(100);
  Figures rival = figures(Subject::kKubeProxy, Way::kRestoreLegacy, {100, 10});
  rival[Event::kOneEndpoint] = time(494);
  rival.rss_bytes = 160'000'000;
  return report_of({syncer, figures(Subject::kIptproxy, Way::kLibiptc, {100, 10}), rival});
}

std::set<std::string> words_of(std::string text, char separator) {
  std::replace(text.begin(), text.end(), separator, ' ');
  std::istringstream words(text);
  return {std::istream_iterator<std::string>(words), {}};
}

/// As a browser finds it: of the rules whose classes an element has all, that with the most counts.
std::string ink_of(const std::string& page, const std::string& classes) {
  static const std::regex rule(R"(((?:\.[a-z]+)+) \{ --ink: var\(--([a-z-]+)\); \})");
  const std::set<std::string> has = words_of(classes, ' ');
  std::string ink;
  std::size_t most = 0;
  for (std::sregex_iterator found(page.begin(), page.end(), rule), end; found != end; ++found) {
    const std::set<std::string> wants = words_of((*found)[1], '.');
    if (wants.size() >= most && std::includes(has.begin(), has.end(), wants.begin(), wants.end())) {
      most = wants.size();
      ink = (*found)[2];
    }
  }
  return ink;
}

/// What the style sheet defines an ink as: for a light page, then for a dark one.
std::vector<std::string> colours_of(const std::string& page, const std::string& ink) {
  const std::regex definition(" --" + ink + ": (#[0-9a-f]{6});");
  std::vector<std::string> colours;
  for (std::sregex_iterator found(page.begin(), page.end(), definition), end; found != end;
       ++found) {
    colours.push_back((*found)[1]);
  }
  return colours;
}

const Judgement& judgement(const std::vector<Judgement>& all, const std::string& what) {
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.what == what; });
  REQUIRE(found != all.end());
  return *found;
}

}  // namespace

TEST_CASE("report: a change on legacy may take 1.3 times the bare commit of its own size",
          "[bench][report]") {
  const auto [bare, is_met] = GENERATE(table<double, bool>({{95.0, true}, {94.9, false}}));
  const auto size = GENERATE(Size{100, 10}, kLarge);
  Figures syncer = figures(Subject::kSyncer, Way::kLibiptc, size);
  syncer.bare_commit = time(bare);
  CAPTURE(bare, size.services);

  const auto all = judge(report_of({syncer}));

  CHECK(judgement(all, "one endpoint").value == 123.5);
  CHECK(judgement(all, "one endpoint").allowed == Approx(1.3 * bare));
  CHECK(judgement(all, "one endpoint").is_met() == is_met);
}

TEST_CASE("report: the budgets are those of 10,000 Services, memory includes the largest child",
          "[bench][report]") {
  const auto legacy = judge(report_of({figures(Subject::kSyncer, Way::kLibiptc, kLarge)}));
  CHECK(judgement(legacy, "cold start").allowed == 1500);
  CHECK(judgement(legacy, "peak RSS with the largest child").value == 110);
  CHECK(judgement(legacy, "peak RSS with the largest child").is_met());

  const auto nft = judge(report_of({figures(Subject::kSyncer, Way::kRestoreNft, kLarge)}));
  CHECK(judgement(nft, "cold start").allowed == 12'000);
  CHECK(judgement(nft, "one endpoint").allowed == 40);
  CHECK_FALSE(judgement(nft, "one endpoint").is_met());

  CHECK(judge(report_of({figures(Subject::kSyncer, Way::kRestoreNft, {1000, 10})})).empty());
  CHECK(judge(report_of({figures(Subject::kKubeProxy, Way::kLibiptc, kLarge)})).empty());
}

TEST_CASE("report: the compact layout is measured against kube-proxy's by the same way",
          "[bench][report]") {
  const auto [way, cold_start, one_endpoint, megabytes] =
      GENERATE(table<Way, double, double, double>(
          {{Way::kLibiptc, 0.5, 0.35, 80}, {Way::kNetlink, 0.5, 0.6, 70}}));
  CAPTURE(name_of(way));
  Figures compact = figures(Subject::kSyncer, way, kLarge);
  compact.layout = rules::Layout::kCompact;
  const Figures other = figures(Subject::kSyncer, Way::kRestoreNft, kLarge);

  const auto all = judge(report_of({other, figures(Subject::kSyncer, way, kLarge), compact}));
  std::vector<Judgement> of_compact;
  std::copy_if(all.begin(), all.end(), std::back_inserter(of_compact), [](const auto& one) {
    return one.of.layout == rules::Layout::kCompact;
  });
  CHECK(judgement(of_compact, "cold start").allowed == Approx(cold_start * 1400));
  CHECK(judgement(of_compact, "one endpoint").allowed == Approx(one_endpoint * 123.5));
  CHECK(judgement(of_compact, "peak RSS with the largest child").allowed == megabytes);

  CHECK(judge(report_of({other, compact})).size() == 4);  // three of the other, and memory
}

TEST_CASE("report: kube-proxy is compared with the daemon at the same size on the same variant",
          "[bench][report]") {
  const auto comparisons = compare(example());
  REQUIRE(comparisons.size() == 1);
  CHECK(comparisons[0].ratio(Event::kOneEndpoint) == 4.0);
  CHECK(comparisons[0].rss_ratio() == 2.0);
  CHECK_FALSE(comparisons[0].ratio(Event::kOneService));

  const auto other_variant = report_of({figures(Subject::kIptproxy, Way::kRestoreNft, {100, 10}),
                                        figures(Subject::kKubeProxy, Way::kLibiptc, {100, 10}),
                                        figures(Subject::kKubeProxy, Way::kRestoreNft, kLarge)});
  CHECK(compare(other_variant).empty());
}

TEST_CASE("report: a cold start on nft may take a quarter of that of kube-proxy's nftables mode",
          "[bench][report]") {
  const auto [theirs, is_met] = GENERATE(table<double, bool>({{5600.0, true}, {5599.0, false}}));
  Figures mode = figures(Subject::kKubeProxy, Way::kNftablesMode, {1000, 10});
  mode[Event::kColdStart] = time(theirs);
  const Figures ours = figures(Subject::kIptproxy, Way::kNetlink, {1000, 10});

  const auto all = judge(report_of({mode, ours}));
  const auto found = std::ranges::find_if(all, [](const Judgement& one) {
    return one.limit.find("nftables mode") != std::string::npos;
  });
  REQUIRE(found != all.end());
  CHECK(found->value == 1400);
  CHECK(found->is_met() == is_met);
  CHECK(compare(report_of({mode, ours})).size() == 1);
}

TEST_CASE("report: the steps of a start are in text, page and JSON", "[bench][report]") {
  Figures ours = figures(Subject::kIptproxy, Way::kNetlink, {1000, 10});
  ours.start_steps[0] =
      bench::parse_start_steps("\"Start\" step=\"kernel read\" of=\"<IPv4>\" ms=\"17\"").front();
  const Report report = report_of({ours});

  CHECK_THAT(to_text(report), Contains("kernel read <IPv4>"));
  CHECK_THAT(to_html(report), Contains("kernel read &lt;IPv4&gt;"));
  simdjson::dom::parser parser;
  const std::string json = to_json(report);
  CHECK(double(parser.parse(json).at_pointer("/figures/0/start/0/ms")) == 17);
}

TEST_CASE("report: the JSON is JSON and has every figure", "[bench][report]") {
  simdjson::dom::parser parser;
  const std::string text = to_json(example());
  INFO(text);
  const simdjson::dom::element json = parser.parse(text);

  CHECK(std::string_view(json.at_pointer("/machine/processor")) == "Some <CPU> & \"Co\"");
  CHECK(json["figures"].get_array().size() == 3);
  CHECK(double(json.at_pointer("/figures/0/ms/one_endpoint/p90")) == 247);
  CHECK(double(json.at_pointer("/figures/0/ms/bare_commit/p50")) == 100);
  CHECK(json.at_pointer("/figures/0/ms/restart").is_null());
  CHECK(std::uint64_t(json.at_pointer("/figures/0/rss")) == 80'000'000);
  CHECK(json["judgements"].get_array().size() == judge(example()).size());
  CHECK(bool(json.at_pointer("/judgements/0/met")));
  CHECK(double(json.at_pointer("/kube_proxy_over_iptproxy/0/one_endpoint")) == 4.0);
  CHECK(parser.parse(to_json(report_of({}))).error() == simdjson::SUCCESS);
}

TEST_CASE("report: the page refers to nothing outside of it and shows no code of others",
          "[bench][report]") {
  const std::string page = to_html(example());

  CHECK_FALSE(std::regex_search(page, std::regex("https?:|//[a-z]|\\b(src|href)=|@import|url\\(")));
  CHECK_THAT(page, !Contains("<script") && !Contains("<CPU>"));
  CHECK_THAT(page, Contains("prefers-color-scheme: dark"));
  CHECK_THAT(page, Catch::EndsWith("</body></html>\n"));
}

TEST_CASE("report: no two ways or layouts have one colour on the page, neither light nor dark",
          "[bench][report]") {
  std::vector<Figures> all;
  for (const Way way : {Way::kLibiptc, Way::kNetlink, Way::kRestoreLegacy, Way::kRestoreNft}) {
    for (const auto layout : {rules::Layout::kKubeProxy, rules::Layout::kCompact}) {
      all.push_back(figures(Subject::kSyncer, way, kLarge));
      all.back().layout = layout;
    }
  }
  all.push_back(figures(Subject::kKubeProxy, Way::kRestoreNft, kLarge));
  const std::string page = to_html(report_of(all));

  static const std::regex key(
      R"re(<span class="key"><svg[^>]*><g class="([a-z ]+)">.*?</svg>([^<]*)</span>)re");
  std::map<std::string, std::string> light;  // to the name in the legend
  std::map<std::string, std::string> dark;
  for (std::sregex_iterator found(page.begin(), page.end(), key), end; found != end; ++found) {
    const std::string name = (*found)[2];
    CAPTURE(name);
    const auto colours = colours_of(page, ink_of(page, (*found)[1]));
    REQUIRE(colours.size() == 2);
    CHECK(light.emplace(colours[0], name).first->second == name);
    CHECK(dark.emplace(colours[1], name).first->second == name);
  }
  CHECK(light.size() == all.size());
}

TEST_CASE("report: text and page tell the same numbers and verdicts", "[bench][report]") {
  for (const std::string& report : {to_text(example()), to_html(example())}) {
    INFO(report);
    CHECK_THAT(report, Contains("123.5") && Contains("0.0625") && Contains("494"));
    CHECK_THAT(report, Contains("1.3 × bare commit") && Contains("130 ms"));
    CHECK_THAT(report, Contains("peak RSS with the largest child") && Contains("110"));
    CHECK(std::regex_search(report, std::regex("kube-proxy (/|over) iptproxy run")));
    CHECK(std::regex_search(report, std::regex("\\bmet\\b")));
  }
  Report slow = example();
  slow.figures[0].bare_commit = time(50);
  for (const std::string& report : {to_text(slow), to_html(slow)}) {
    CHECK_THAT(report, Contains("not met"));
  }
}
