#include "proxy/kernel/sysctl.h"

#include <filesystem>

#include <catch2/catch.hpp>

#include "proxy/host/file.h"
#include "test/support/temporary_folder.h"

namespace {

using proxy::ConntrackSettings;
using proxy::Sysctl;
using proxy::SysctlReport;

/// kube-proxy's defaults (spec §5.2).
constexpr ConntrackSettings kDefaults{.max_per_core = 32768,
                                      .min = 131072,
                                      .tcp_established_timeout = std::chrono::hours(24),
                                      .tcp_close_wait_timeout = std::chrono::hours(1)};

/// A root folder with the settings of a fresh kernel on a machine with four CPUs.
class Machine {
 public:
  Machine() {
    set("sys/devices/system/cpu/online", "0-2,5\n");
    set("sys/module/nf_conntrack/parameters/hashsize", "16384\n");
    set(conntrack("max"), "65536\n");
    set(conntrack("tcp_timeout_established"), "432000\n");
    set(conntrack("tcp_timeout_close_wait"), "60\n");
    set(conntrack("tcp_be_liberal"), "0\n");
    set(conntrack("udp_timeout"), "30\n");
    set(conntrack("udp_timeout_stream"), "120\n");
    set("proc/sys/net/ipv4/conf/all/route_localnet", "0\n");
    set("proc/self/oom_score_adj", "0\n");
  }

  static std::string conntrack(const std::string& name) {
    return "proc/sys/net/netfilter/nf_conntrack_" + name;
  }

  void set(const std::string& path, const std::string& text) const {
    const std::filesystem::path file = folder_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    proxy::write_file(file.string(), text);
  }

  std::string get(const std::string& path) const {
    return proxy::read_file((folder_.path() / path).string());
  }

  // A folder in its place can be neither read nor written, not even by root.
  void spoil(const std::string& path) const {
    std::filesystem::remove(folder_.path() / path);
    std::filesystem::create_directories(folder_.path() / path);
  }

  Sysctl sysctl() const { return Sysctl(folder_.path()); }

 private:
  test::TemporaryFolder folder_;
};

// e2e: kube_proxy.go:74
TEST_CASE("sysctl: connection tracking gets kube-proxy's sizes and timeouts", "[proxy][sysctl]") {
  const Machine machine;

  const SysctlReport report = machine.sysctl().apply_conntrack(kDefaults);

  CHECK(report.warnings == std::vector<std::string>{});
  CHECK(report.changes == std::vector<std::string>{
                              "net.netfilter.nf_conntrack_max: 65536 -> 131072",
                              "/sys/module/nf_conntrack/parameters/hashsize: 16384 -> 32768",
                              "net.netfilter.nf_conntrack_tcp_timeout_established: 432000 -> 86400",
                              "net.netfilter.nf_conntrack_tcp_timeout_close_wait: 60 -> 3600"});
  CHECK(machine.get(Machine::conntrack("max")) == "131072");
  CHECK(machine.get(Machine::conntrack("udp_timeout")) == "30\n");
}

TEST_CASE("sysctl: what is right already is not written", "[proxy][sysctl]") {
  const Machine machine;
  machine.sysctl().apply_conntrack(kDefaults);

  CHECK(machine.sysctl().apply_conntrack(kDefaults) == SysctlReport{});
}

TEST_CASE("sysctl: the number of connections follows CPUs, least and most", "[proxy][sysctl]") {
  struct Row {
    std::int32_t per_core;
    std::int32_t least;
    const char* result;
  };

  const Row row = GENERATE(Row{100'000, 131'072, "400000"},  // 4 CPUs
                           Row{1'000, 131'072, "131072"},
                           Row{1'000'000, 131'072, "1048576"},
                           Row{1'000, 2'000'000, "2000000"},
                           Row{0, 131'072, "65536\n"});
  const Machine machine;

  machine.sysctl().apply_conntrack({.max_per_core = row.per_core, .min = row.least});

  CHECK(machine.get(Machine::conntrack("max")) == row.result);
}

TEST_CASE("sysctl: zero leaves a setting alone, a larger hash table stays", "[proxy][sysctl]") {
  const Machine machine;
  machine.set("sys/module/nf_conntrack/parameters/hashsize", "65536\n");
  const ConntrackSettings conntrack = {.max_per_core = 32768,
                                       .min = 131072,
                                       .tcp_established_timeout = std::chrono::seconds(0),
                                       .tcp_close_wait_timeout = std::chrono::milliseconds(1999),
                                       .tcp_be_liberal = true,
                                       .udp_timeout = std::chrono::seconds(45),
                                       .udp_stream_timeout = std::chrono::minutes(3)};

  machine.sysctl().apply_conntrack(conntrack);

  CHECK(machine.get("sys/module/nf_conntrack/parameters/hashsize") == "65536\n");
  CHECK(machine.get(Machine::conntrack("tcp_timeout_established")) == "432000\n");
  CHECK(machine.get(Machine::conntrack("tcp_timeout_close_wait")) == "1");
  CHECK(machine.get(Machine::conntrack("tcp_be_liberal")) == "1");
  CHECK(machine.get(Machine::conntrack("udp_timeout")) == "45");
  CHECK(machine.get(Machine::conntrack("udp_timeout_stream")) == "180");
  CHECK(machine.sysctl().tcp_is_liberal());
}

TEST_CASE("sysctl: what cannot be done is a warning, and the rest is done", "[proxy][sysctl]") {
  const Machine machine;
  machine.spoil(Machine::conntrack("max"));
  machine.set("sys/module/nf_conntrack/parameters/hashsize", "many\n");

  const SysctlReport report = machine.sysctl().apply_conntrack(kDefaults);

  CHECK(
      report.warnings ==
      std::vector<std::string>{
          "net.netfilter.nf_conntrack_max should be 131072, but it cannot be read: Is a directory",
          "/sys/module/nf_conntrack/parameters/hashsize should be 32768, but it reads \"many\""});
  CHECK(report.changes.size() == 2);
}

TEST_CASE("sysctl: node ports on localhost need route_localnet", "[proxy][sysctl]") {
  const Machine machine;

  CHECK(machine.sysctl().allow_localhost_node_ports().changes ==
        std::vector<std::string>{"net.ipv4.conf.all.route_localnet: 0 -> 1"});
  CHECK(machine.sysctl().allow_localhost_node_ports() == SysctlReport{});
}

TEST_CASE("sysctl: the OOM score adjustment is set", "[proxy][sysctl]") {
  const Machine machine;

  CHECK(machine.sysctl().set_oom_score_adjustment(-999).changes ==
        std::vector<std::string>{"/proc/self/oom_score_adj: 0 -> -999"});
}

TEST_CASE("sysctl: IPv6 is there unless absent or disabled", "[proxy][sysctl]") {
  const Machine machine;
  CHECK_FALSE(machine.sysctl().has_ipv6());

  machine.set("proc/net/if_inet6", "");
  CHECK(machine.sysctl().has_ipv6());

  machine.set("proc/sys/net/ipv6/conf/all/disable_ipv6", "1\n");
  CHECK_FALSE(machine.sysctl().has_ipv6());
}

TEST_CASE("sysctl: CPUs are counted from the kernel's list", "[proxy][sysctl]") {
  const Machine machine;
  CHECK(machine.sysctl().online_cpus() == 4);

  machine.set("sys/devices/system/cpu/online", "rubbish");
  CHECK(machine.sysctl().online_cpus() >= 1);
}

}  // namespace
