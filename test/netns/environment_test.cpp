#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "test/netns/node.h"
#include "test/support/eventually.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/proxy_config.h"
#include "test/support/temporary_folder.h"

// The program where the host gives it less than usual.

using Catch::Matchers::Contains;
using proxy::ProcessResult;
using test::eventually;
using test::NetworkNamespace;
using test::shell;

TEST_CASE("environment: where inotify is used up, it goes on and notices changes later",
          "[netns][environment]") {
  const test::TemporaryFolder folder;
  const std::string objects =
      folder.write("cluster.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n").string();
  const auto configure = [&folder](const std::string& cidr) {
    return test::write_config(folder, "conntrack: {maxPerCore: 0}\nclusterCIDR: " + cidr + "\n");
  };
  // The limit is one of the user namespace, so that this one spends nobody's instances.
  const std::string command = "echo 0 > /proc/sys/user/max_inotify_instances && exec " +
                              test::program_path() + " --config=" + configure("10.1.0.0/16") +
                              " --source=" + objects;
  const std::filesystem::path log = folder.path() / "log";
  test::Program daemon({.argv = {"unshare", "-U", "-r", "-n", "sh", "-c", command}, .log = log});
  const auto logged = [&log](const std::string& text) {
    return eventually([&] { return test::content(log.string()).find(text) != std::string::npos; });
  };
  REQUIRE(logged("Rules synced"));
  CHECK(logged("inotify=\"Too many open files\""));

  configure("10.2.0.0/16");
  CHECK(logged("Configuration reloaded"));
  CHECK(daemon.terminate() == 0);
}

TEST_CASE("environment: output that cannot be written is a failure", "[netns][environment]") {
  const auto& [command, status] = GENERATE(
      table<std::string, int>({{"render", 1}, {"diff --family=ipv4", 2}, {"--version", 1}}));
  CAPTURE(command);
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  const std::string objects =
      folder.write("cluster.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n").string();
  const std::string source = command == "--version" ? "" : " --source=" + objects;

  const ProcessResult result = proxy::run(
      {.argv = {"sh", "-c", test::program_path() + " " + command + source + " > /dev/full"}});

  CHECK(result.status == status);
  CHECK_THAT(result.error, Contains("No space left on device"));
}

TEST_CASE("environment: closed standard streams do not become sockets", "[netns][environment]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  const std::string objects =
      folder.write("cluster.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n").string();
  const std::string pid_file = (folder.path() / "pid").string();
  const test::Program daemon(
      {.argv = {"sh",
                "-c",
                "echo $$ > " + pid_file + "; exec " + test::program_path() +
                    " --conntrack-max-per-core=0 --source=" + objects + " <&- >&- 2>&-"}});
  REQUIRE(eventually(
      [] { return shell("iptables-nft-save").find("KUBE-SERVICES") != std::string::npos; }));

  const std::string pid = test::content(pid_file).substr(0, test::content(pid_file).find('\n'));
  for (const std::string descriptor : {"0", "1", "2"}) {
    CHECK(shell("readlink /proc/" + pid + "/fd/" + descriptor) == "/dev/null\n");
  }
}

TEST_CASE("environment: where there is no program at all, rules are written, followed and repaired",
          "[netns][environment]") {
  const std::string variant = GENERATE("nft", "legacy");
  CAPTURE(variant);
  const NetworkNamespace space;
  test::leave_hint_of_kubelet(variant);
  const test::TemporaryFolder folder;
  const auto write_cluster = [&folder](const std::string& ip) {
    folder.write("cluster.yaml",
                 "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},\n"
                 " spec: {clusterIP: " +
                     ip + ", ports: [{name: http, port: 80}]}}\n");
  };
  const auto holds = [&variant](const std::string& text) {
    return shell("iptables-" + variant + "-save").find(text) != std::string::npos;
  };
  write_cluster("10.96.0.10");
  const std::filesystem::path log = folder.path() / "log.txt";

  const test::Program daemon({.argv = {test::program_path(),
                                       "--source=" + folder.path().string(),
                                       "--iptables-min-sync-period=0s",
                                       "--conntrack-max-per-core=0"},
                              .environment = {"PATH=/nonexistent"},
                              .log = log});

  CHECK(eventually([&] { return holds("10.96.0.10/32"); }));
  write_cluster("10.96.0.11");
  CHECK(eventually([&] { return holds("10.96.0.11/32") && !holds("10.96.0.10/32"); }));
  shell("iptables-" + variant + " -t nat -F KUBE-POSTROUTING");
  CHECK(eventually([&] { return holds("-A KUBE-POSTROUTING"); }));
  CHECK_THAT(shell("curl -s http://127.0.0.1:10256/livez"),
             Catch::Matchers::Contains(R"("healthy":true)"));
  INFO(test::content(log));
}
