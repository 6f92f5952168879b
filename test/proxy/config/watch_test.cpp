#include "proxy/config/watch.h"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include <catch2/catch.hpp>

#include "test/support/proxy_config.h"
#include "test/support/temporary_folder.h"

using test::write_config;

namespace {

using proxy::Config;
using proxy::ConfigChange;
using Fields = std::vector<std::string>;

TEST_CASE("config_watch: what only rules depend on is taken over", "[proxy][config]") {
  const Config running;
  Config read;
  read.iptables.masquerade_all = true;
  read.cluster_cidr = "10.0.0.0/8";
  read.detect_local.bridge_interface = "cni0";
  read.node_port_addresses = {"primary"};
  read.iptables_layout = rules::Layout::kCompact;

  const ConfigChange change = proxy::take_over(running, read);

  CHECK(change.config == read);
  CHECK(change.taken_over == Fields{"iptables.masqueradeAll",
                                    "detectLocal.bridgeInterface",
                                    "clusterCIDR",
                                    "nodePortAddresses",
                                    "iptablesLayout"});
  CHECK(change.need_restart == Fields{});
}

TEST_CASE("config_watch: the rest waits for a restart", "[proxy][config]") {
  const Config running;
  Config read;
  read.iptables.localhost_node_ports = false;
  read.metrics_bind_address = "127.0.0.1:1";
  read.conntrack.min = 7;
  read.cluster_cidr = "10.0.0.0/8";

  const ConfigChange change = proxy::take_over(running, read);

  Config expected;
  expected.cluster_cidr = "10.0.0.0/8";
  CHECK(change.config == expected);
  CHECK(change.taken_over == Fields{"clusterCIDR"});
  CHECK(change.need_restart ==
        Fields{"metricsBindAddress", "iptables.localhostNodePorts", "conntrack.min"});
}

TEST_CASE("config_watch: fields without effect are not worth a word", "[proxy][config]") {
  const Config running;
  Config read;
  read.ipvs.scheduler = "rr";
  read.client_connection.qps = 50;
  read.config_sync_period = std::chrono::hours(1);
  read.enable_profiling = true;
  read.logging.vmodule = {{"sync*", 9}};
  read.logging.json_streams.split_stream = true;

  const ConfigChange change = proxy::take_over(running, read);

  CHECK(change == ConfigChange{.config = read});
}

TEST_CASE("config_watch: a changed file is read again, an invalid one changes nothing",
          "[proxy][config]") {
  const test::TemporaryFolder folder;
  proxy::Flags flags;
  flags.config = write_config(folder, "clusterCIDR: 10.1.0.0/16\n");
  std::mutex mutex;
  std::condition_variable arrived;
  std::optional<ConfigChange> latest;
  proxy::ConfigWatch watch(flags, proxy::to_config(flags).config);
  const std::jthread thread([&](const std::stop_token& stop) {
    watch.run(stop, [&](const ConfigChange& change) {
      const std::lock_guard lock(mutex);
      latest = change;
      arrived.notify_one();
    });
  });
  const auto next = [&] {
    std::unique_lock lock(mutex);
    REQUIRE(arrived.wait_for(lock, std::chrono::seconds(30), [&] { return latest.has_value(); }));
    return *std::exchange(latest, std::nullopt);
  };

  write_config(folder, "clusterCIDR: 10.2.0.0/16\n");
  CHECK(next().config.cluster_cidr == "10.2.0.0/16");

  write_config(folder, "clusterCIDR: 10.3.0.0/99\n");
  const ConfigChange invalid = next();
  CHECK(invalid.config.cluster_cidr == "10.2.0.0/16");
  REQUIRE(invalid.errors.size() == 1);
  CHECK_THAT(invalid.errors[0], Catch::Contains("config.yaml:3: clusterCIDR: "));
}

TEST_CASE("config_watch: what changed before the watch began is not missed", "[proxy][config]") {
  const test::TemporaryFolder folder;
  proxy::Flags flags;
  flags.config = write_config(folder, "clusterCIDR: 10.1.0.0/16\n");
  const Config running = proxy::to_config(flags).config;
  write_config(folder, "clusterCIDR: 10.2.0.0/16\n");

  std::stop_source stop;
  std::vector<ConfigChange> changes;
  proxy::ConfigWatch(flags, running).run(stop.get_token(), [&](const ConfigChange& change) {
    changes.push_back(change);
    stop.request_stop();
  });

  REQUIRE(changes.size() == 1);
  CHECK(changes[0].config.cluster_cidr == "10.2.0.0/16");
}

}  // namespace
