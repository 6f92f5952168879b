#include <array>
#include <cstring>
#include <string>
#include <thread>

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>

#include "proxy/host/descriptor.h"
#include "proxy/host/process.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/node_lab.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/temporary_folder.h"

// The daemon as its surroundings see it: a service manager, and hosts that look at its ports.

using Catch::Matchers::Contains;
using test::eventually;

namespace {

constexpr const char* kCluster =
    "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},\n"
    " spec: {clusterIP: 10.96.0.10, clusterIPs: [10.96.0.10], ipFamilies: [IPv4],\n"
    "  ports: [{name: http, port: 80}]}}\n";

std::vector<std::string> daemon(const test::TemporaryFolder& folder) {
  folder.write("cluster.yaml", kCluster);
  return {test::program_path(),
          "--source=" + folder.path().string(),
          "--conntrack-max-per-core=0",
          "--metrics-bind-address=0.0.0.0:10249"};
}

/// The status of an HTTP request that is made at a site of the lab; 0 without an answer.
int status_at(const test::NodeLab& lab, test::Site site, const std::string& url) {
  int status = 0;
  std::thread([&] {
    lab.enter(site);
    const auto result = proxy::run({.argv = {"curl",
                                             "--silent",
                                             "--output",
                                             "/dev/null",
                                             "--max-time",
                                             "10",
                                             "--write-out",
                                             "%{http_code}",
                                             url}});
    status = result.status == 0 ? std::stoi(result.output) : 0;
  }).join();
  return status;
}

}  // namespace

TEST_CASE("service: beyond the node, only the metrics of the metrics server are shown",
          "[netns][service]") {
  const test::NetworkNamespace space;
  const test::NodeLab lab(rules::Family::kIpv4);
  const test::TemporaryFolder folder;
  const test::Program program({.argv = daemon(folder), .log = folder.path() / "log"});
  const std::string node =
      "http://" + rules::to_string(test::lab_addresses(rules::Family::kIpv4).node) + ":10249";

  REQUIRE(
      eventually([&] { return status_at(lab, test::Site::kOutside, node + "/metrics") == 200; }));
  CHECK(status_at(lab, test::Site::kOutside, node + "/statusz") == 403);
  CHECK(status_at(lab, test::Site::kPod, node + "/configz") == 403);
  CHECK(status_at(lab, test::Site::kNode, "http://127.0.0.1:10249/configz") == 200);
}

TEST_CASE("service: a service manager hears of the first sync, of each second, and of the end",
          "[netns][service]") {
  const test::NetworkNamespace space;
  const test::TemporaryFolder folder;
  const std::string path = folder.path() / "notify";
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  REQUIRE(path.size() < sizeof address.sun_path);
  std::memcpy(address.sun_path, path.data(), path.size());
  const proxy::Descriptor manager(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(manager.get(),
                 static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                 sizeof address) == 0);
  std::string heard;
  const auto hears = [&](const std::string& word) {
    std::array<char, 500> buffer{};
    for (ssize_t size = 0; (size = ::recv(manager.get(), buffer.data(), buffer.size(), 0)) > 0;) {
      heard.append(buffer.data(), static_cast<std::size_t>(size)).push_back('\n');
    }
    return heard.find(word) != std::string::npos;
  };

  test::Program program({.argv = daemon(folder),
                         .environment = {"NOTIFY_SOCKET=" + path},
                         .log = folder.path() / "log"});
  REQUIRE(eventually([&] { return hears("READY=1"); }));
  REQUIRE(eventually([&] { return hears("WATCHDOG=1\nSTATUS=The rules are up to date."); }));
  CHECK(program.terminate() == 0);

  CHECK(hears("STOPPING=1"));
}
