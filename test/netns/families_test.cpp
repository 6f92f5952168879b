#include <latch>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/backends/table_watch.h"
#include "proxy/backends/variant.h"
#include "proxy/host/per_family.h"
#include "proxy/sync/syncer.h"
#include "test/support/accounting_objects.h"
#include "test/support/generators.h"
#include "test/support/network_namespace.h"

// Both families are synced by one process, each in a thread of its own, over one lock and one
// kernel: neither may fail, nor take the other for a stranger.

using namespace test;
using proxy::SyncReport;
using rules::Family;

namespace {

constexpr int kSyncs = 150;

/// What one family noticed of the other; all of it is wrong.
struct Disturbances {
  std::vector<std::string> failures;
  int alarms = 0;  // the drift watch saw another hand
  int drifts = 0;  // the tables are not as they were written
};

Disturbances sync_again_and_again(Family family,
                                  const proxy::IptablesChoice& choice,
                                  std::latch& start) {
  proxy::ForeignChanges foreign_changes(family, proxy::watch_tables(family, choice));
  const auto backend = proxy::make_backend(family, choice, foreign_changes);
  proxy::Syncer syncer(*backend);
  ClusterGenerator generator(23);
  const rules::Context context{
      .family = family, .node_name = kNodeName, .localhost_node_ports = family == Family::kIpv4};
  Disturbances found;
  start.arrive_and_wait();
  for (int i = 0; i < kSyncs; ++i) {
    const std::size_t services = generator.random().below(20);
    const SyncReport report = syncer.sync(
        snapshot_of(generator.cluster({.services = services, .endpoints = 3}), family), context);
    if (report.error) {
      found.failures.push_back(report.error->message);
    }
    found.alarms += foreign_changes.take().empty() ? 0 : 1;
    found.drifts += syncer.find_drift() ? 1 : 0;
  }
  return found;
}

}  // namespace

TEST_CASE("families: both sync at the same moment as if each were alone", "[netns][families]") {
  using proxy::Variant;
  const auto [variant, in_process] = GENERATE(table<Variant, bool>({{Variant::kLegacy, true},
                                                                    {Variant::kLegacy, false},
                                                                    {Variant::kNft, true},
                                                                    {Variant::kNft, false}}));
  CAPTURE(to_string(variant), in_process);
  const NetworkNamespace network;
  make_accounting_objects();
  const proxy::IptablesChoice choice{.variant = variant, .in_process = in_process};
  std::latch start(2);
  proxy::PerFamily<Disturbances> found;

  {
    std::jthread other(
        [&] { found[Family::kIpv6] = sync_again_and_again(Family::kIpv6, choice, start); });
    found[Family::kIpv4] = sync_again_and_again(Family::kIpv4, choice, start);
  }

  for (const Family family : proxy::kFamilies) {
    CAPTURE(to_string(family));
    CHECK(found[family].failures == std::vector<std::string>{});
    CHECK(found[family].alarms == 0);
    CHECK(found[family].drifts == 0);
  }
}
