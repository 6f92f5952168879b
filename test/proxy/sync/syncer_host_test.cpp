#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/sync/syncer.h"
#include "rules/text.h"
#include "test/support/fake_kernel.h"

// What this host cannot do costs only the rules that need it.

using namespace rules;
using proxy::Syncer;
using proxy::SyncReport;

namespace {

Snapshot one_service() {
  ServicePort port{.cluster_ip = *IpAddress::parse("10.96.0.1"), .port = 80};
  port.endpoints.push_back({.address = *SocketAddress::parse("10.244.1.1:8080")});
  return make_snapshot(Family::kIpv4,
                       {{{"default", "web", "http", Protocol::kTcp},
                         std::make_shared<const ServicePort>(std::move(port))}});
}

/// A kernel without the extension of which rules speak in these words.
std::function<bool(const Rule&)> lacks(std::vector<std::string> words) {
  return [words = std::move(words)](const Rule& rule) {
    const std::string text = to_string(rule, Family::kIpv4);
    return std::ranges::any_of(
        words, [&](const std::string& word) { return text.find(word) != std::string::npos; });
  };
}

std::string all_rules(const test::FakeKernel& kernel) {
  std::string text;
  for (const auto& [chain, rules] : kernel.chains) {
    for (const Rule& rule : rules) {
      text += to_string(rule, Family::kIpv4) + '\n';
    }
  }
  return text;
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("syncer: a match of the base that the host lacks costs that match", "[proxy][syncer]") {
  struct Row {
    std::string what;
    std::vector<std::string> lacking;
    std::size_t left_out;
    std::vector<std::string> kept;
  };

  const auto row = GENERATE(values<Row>({
      {"accounting", {"--nfacct-name"}, 1, {"--random-fully", "--ctstate INVALID"}},
      {"random ports", {"--random-fully"}, 1, {"--nfacct-name", "--ctstate INVALID"}},
      {"invalid", {"--ctstate INVALID"}, 1, {"--random-fully"}},
      {"two of them", {"--nfacct-name", "--random-fully"}, 2, {"--ctstate INVALID"}},
  }));
  CAPTURE(row.what);
  test::FakeKernel kernel;
  kernel.refuses = lacks(row.lacking);
  Syncer syncer(kernel);

  const SyncReport report = syncer.sync(one_service(), {});

  CHECK(report.outcome == SyncReport::Outcome::kApplied);
  CHECK(report.done_without.size() == row.left_out);
  CHECK(syncer.quarantine().empty());
  const std::string text = all_rules(kernel);
  CHECK(contains(text, "default/web:http cluster IP"));
  for (const std::string& part : row.lacking) {
    CHECK(!contains(text, part));
  }
  for (const std::string& part : row.kept) {
    CAPTURE(part);
    CHECK(contains(text, part));
  }

  const SyncReport next = syncer.sync(one_service(), {});
  CHECK(next.outcome != SyncReport::Outcome::kFailed);
  CHECK(next.done_without.empty());
  CHECK(!syncer.find_drift());
}

TEST_CASE("syncer: where nothing helps, nothing is left out", "[proxy][syncer]") {
  test::FakeKernel kernel;
  kernel.refuses = lacks({"-j MASQUERADE"});
  Syncer syncer(kernel);
  CHECK(syncer.sync(one_service(), {}).outcome == SyncReport::Outcome::kFailed);

  kernel.refuses = nullptr;
  const SyncReport report = syncer.sync(one_service(), {});

  CHECK(report.outcome == SyncReport::Outcome::kApplied);
  CHECK(report.done_without.empty());
  CHECK(contains(all_rules(kernel), "--nfacct-name"));
}
