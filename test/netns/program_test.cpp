
#include "test/support/program.h"

#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "rules/names.h"
#include "rules/tables.h"
#include "test/support/eventually.h"
#include "test/support/golden.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"
#include "test/support/proxy_config.h"
#include "test/support/temporary_folder.h"

// The program itself, on a real kernel: what an operator types, and what is in the tables
// afterwards.

using namespace rules;
using Catch::Matchers::Contains;
using proxy::ProcessResult;
using test::eventually;
using test::NetworkNamespace;
using test::shell;

namespace {

std::vector<std::string> words(std::initializer_list<std::string> first,
                               const std::vector<std::string>& rest = {}) {
  std::vector<std::string> all{test::program_path()};
  all.insert(all.end(), first.begin(), first.end());
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

ProcessResult iptproxy(std::initializer_list<std::string> first,
                       const std::vector<std::string>& rest = {}) {
  return proxy::run({.argv = words(first, rest)});
}

std::string save(const std::string& variant) {
  return shell("iptables-" + variant + "-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'");
}

Tables foreign(Tables tables) {
  std::erase_if(tables.chains, [](const auto& entry) { return is_owned(entry.first); });
  for (auto& [chain, content] : tables.chains) {
    std::erase_if(content.rules, [&, table = chain.table](const Rule& rule) {
      const ChainName* target = jump_target(rule);
      return target != nullptr &&
             (is_owned({table, *target}) || target->view() == kKubeletFirewallChain);
    });
  }
  tables.chains.erase({Table::kFilter, ChainName(kKubeletFirewallChain)});
  return tables;
}

Tables only(Tables tables, const std::vector<std::string_view>& prefixes) {
  std::erase_if(tables.chains, [&](const auto& entry) {
    return std::none_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) {
      return entry.first.name.view().starts_with(prefix);
    });
  });
  return tables;
}

}  // namespace

TEST_CASE(
    "program: it takes over the seed's nodes, leaves foreign rules alone, and a second run changes "
    "nothing",
    "[netns][program]") {
  const auto* variant = GENERATE("nft", "legacy");
  const auto* node = GENERATE("k8s-worker1", "k8s-master");
  const std::string clean_up = std::string(node) == "k8s-master" ? "cleanup" : "--cleanup";
  CAPTURE(variant, node);
  const NetworkNamespace space;
  const test::Golden golden{test::parity_folder() / "goldens/seed-cluster"};
  const std::string manifests = (golden.folder / "manifests.json").string();
  const std::string dump =
      (test::parity_folder() / "seed" / (std::string(node) + ".iptables-save")).string();
  shell("iptables-" + std::string(variant) + "-restore < " + dump);
  const Tables before = parse_tables(save(variant), Family::kIpv4);

  const auto flags = test::lines(golden.folder / "args");
  const ProcessResult first = iptproxy({"run", "--once", "--source", manifests}, flags);
  INFO(first.error);
  REQUIRE(first.status == 0);

  const std::string once = save(variant);
  const Tables after = parse_tables(once, Family::kIpv4);
  const std::vector<std::string_view> kinds{
      "KUBE-SERVICES", "KUBE-SVC-", "KUBE-SEP-", "KUBE-EXT-", "KUBE-NODEPORTS"};
  const Tables reference =
      parse_tables(test::golden_save_text(golden, Family::kIpv4), Family::kIpv4);
  CHECK(test::differences(only(reference, kinds), only(after, kinds)) ==
        std::vector<std::string>{});
  CHECK(test::differences(foreign(before), foreign(after)) == std::vector<std::string>{});

  CHECK(iptproxy({"run", "--once", "--source", manifests}, flags).status == 0);
  CHECK(save(variant) == once);
  CHECK(iptproxy({"diff", "--source", manifests}, flags).status == 0);

  const ProcessResult cleaned = iptproxy({clean_up});
  INFO(cleaned.error);
  CHECK(cleaned.status == 0);
  const Tables left = parse_tables(save(variant), Family::kIpv4);
  CHECK(test::differences(foreign(before), foreign(left)) == std::vector<std::string>{});
  CHECK(std::none_of(left.chains.begin(), left.chains.end(), [](const auto& entry) {
    return is_owned(entry.first);
  }));
}

TEST_CASE("program: one malformed Service is skipped by name and the rest is programmed",
          "[netns][program]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  folder.write("cluster.yaml",
               "{apiVersion: v1, kind: Service, metadata: {name: good, namespace: shop},\n"
               " spec: {clusterIP: 10.96.0.9, ports: [{port: 80}]}}\n"
               "---\n"
               "{apiVersion: v1, kind: Service, metadata: {name: bad, namespace: shop},\n"
               " spec: {clusterIP: 10.96.0.10, ports: [{port: 99999}]}}\n");

  const ProcessResult result = iptproxy({"run", "--once", "--source", folder.path().string()});

  CHECK(result.status == 2);
  CHECK_THAT(result.error, Contains("shop/bad"));
  CHECK_THAT(result.error, Contains("spec.ports[0].port"));
  CHECK_THAT(save("nft"), Contains("\"shop/good has no endpoints\""));
}

TEST_CASE("program: input that makes no sense ends it with status 2 and a line that names it",
          "[netns][program]") {
  struct Row {
    std::vector<std::string> arguments;
    std::string named;
  };

  const auto row = GENERATE(values<Row>({
      {{"run", "--no-such-flag"}, "--no-such-flag"},
      {{"run", "--iptables-masquerade-bit=32", "--once", "--source=SOME"}, "32"},
      {{"run", "--once", "--source=/no/such/place"}, "/no/such/place"},
      {{"run", "--once", "--kubeconfig=/no/such/kubeconfig"}, "/no/such/kubeconfig"},
      {{"diff", "--against=/no/such/dump", "--family=ipv4", "--source=/no/such/place"},
       "/no/such/place"},
      {{"explain", "--from=10.0.0.1", "--to=nonsense", "--source=SOME"}, "nonsense"},
      {{"explain", "--source=SOME"}, "NAMESPACE/SERVICE"},
      {{"rendr", "--source=SOME"}, "rendr"},
      {{"run", "--once", "--source=/no\n\x1b[31m"}, "/no\\x0a\\x1b[31m"},
      {{"--version=perhaps"}, "perhaps"},
      {{"run", "--master=10.0.0.1:6443"}, "--master"},
  }));
  std::vector<std::string> argv{test::program_path()};
  const test::TemporaryFolder folder;
  const std::string some =
      folder.write("node.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}").string();
  for (const std::string& argument : row.arguments) {
    argv.push_back(argument == "--source=SOME" ? "--source=" + some : argument);
  }
  const NetworkNamespace space;

  const ProcessResult result = proxy::run({.argv = argv});

  CHECK(result.status == 2);
  CHECK_THAT(result.error, Contains(row.named));
  CHECK(std::count(result.error.begin(), result.error.end(), '\n') == 1);
}

TEST_CASE("program: with JSON logging, why it ended is a line of JSON, too", "[netns][program]") {
  const NetworkNamespace space;

  const ProcessResult result =
      iptproxy({"run", "--once", "--logging-format=json", "--source=/no/such/place"});

  CHECK(result.status == 2);
  CHECK_THAT(result.error,
             Catch::StartsWith("{\"ts\":") &&
                 Contains("\"error\":\"/no/such/place: No such file or directory\"}\n"));
  CHECK(std::count(result.error.begin(), result.error.end(), '\n') == 1);
}

TEST_CASE("program: route_localnet is set only with the rules that go with it",
          "[netns][program]") {
  const auto& [addresses, wanted] = GENERATE(table<std::string, std::string>(
      {{"", "1\n"}, {"primary", "0\n"}, {"10.0.0.0/8", "0\n"}, {"127.0.0.0/8", "1\n"}}));
  CAPTURE(addresses);
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  const std::string file =
      folder.write("node.yaml",
                   "{apiVersion: v1, kind: Node, metadata: {name: worker-1},\n"
                   " status: {addresses: [{type: InternalIP, address: 10.0.0.1}]}}\n");

  const ProcessResult once = proxy::run({.argv = words({"run", "--once", "--source=" + file},
                                                       {"--hostname-override=worker-1",
                                                        "--conntrack-max-per-core=0",
                                                        "--nodeport-addresses=" + addresses})});

  CAPTURE(once.error);
  CHECK(once.status == 0);
  CHECK(shell("cat /proc/sys/net/ipv4/conf/all/route_localnet") == wanted);
  CHECK((shell("iptables-save -t filter").find("block incoming localnet") != std::string::npos) ==
        (wanted == "1\n"));
}

TEST_CASE("program: it says when the Node is not in the cluster, or has no pod CIDRs",
          "[netns][program]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  const std::string file =
      folder.write("node.yaml", "{apiVersion: v1, kind: Node, metadata: {name: worker-1}}\n");
  const auto error_of = [&](std::initializer_list<std::string> command, const std::string& node) {
    const ProcessResult result = proxy::run({.argv = words(command,
                                                           {"--source=" + file,
                                                            "--hostname-override=" + node,
                                                            "--detect-local-mode=NodeCIDR",
                                                            "--conntrack-max-per-core=0"})});
    CHECK(result.status == 0);
    return result.error;
  };

  CHECK_THAT(error_of({"render"}, "worker-2"), Contains("there is no Node worker-2"));
  CHECK(error_of({"render"}, "worker-1") == "");
  CHECK_THAT(error_of({"run", "--once"}, "worker-2"), Contains("there is no Node worker-2"));
  CHECK_THAT(error_of({"run", "--once"}, "worker-1"),
             Contains("spec.podCIDRs of the node is empty"));
}

TEST_CASE("program: the configuration that it writes is one that it reads", "[netns][program]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  const std::string file = (folder.path() / "config.yaml").string();

  const ProcessResult written = iptproxy(
      {"run", "--write-config-to=" + file, "--cluster-cidr=10.1.0.0/16", "--masquerade-all"});
  INFO(written.error);
  REQUIRE(written.status == 0);

  CHECK_THAT(test::content(file), Contains("clusterCIDR:") && Contains("10.1.0.0/16"));
  CHECK(iptproxy({"run", "--validate-config", "--config=" + file}).status == 0);
}

TEST_CASE("program: a legacy node is known by any of its tables", "[netns][program]") {
  const std::string table = GENERATE("mangle", "filter", "nat");
  const std::string chain = GENERATE("KUBE-KUBELET-CANARY", "KUBE-SERVICES");
  CAPTURE(table, chain);
  const NetworkNamespace space;
  shell("iptables-legacy -t " + table + " -N " + chain);
  const test::TemporaryFolder folder;
  const std::string file =
      folder.write("cluster.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n");

  const ProcessResult once = proxy::run(
      {.argv = words({"run", "--once", "--conntrack-max-per-core=0", "--source", file})});

  CAPTURE(once.error);
  CHECK(once.status == 0);
  CHECK_THAT(shell("iptables-legacy-save -t filter"), Contains(":KUBE-FORWARD "));
  CHECK_THAT(shell("iptables-nft-save"), !Contains("KUBE-FORWARD"));
}

TEST_CASE("program: without root it says so", "[netns][program]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
  std::vector<std::string> argv{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
  const auto command = words(
      {"run",
       "--once",
       "--source=" + folder.write("node.yaml", "{apiVersion: v1, kind: Node, metadata: {name: n1}}")
                         .string()});
  argv.insert(argv.end(), command.begin(), command.end());

  const ProcessResult result = proxy::run({.argv = argv});

  CHECK(result.status == 1);
  CHECK_THAT(result.error, Contains("root"));
}

TEST_CASE("program: the daemon follows its files, and SIGTERM leaves the rules in place",
          "[netns][program]") {
  const NetworkNamespace space;
  const test::TemporaryFolder folder;
  const auto service = [](const std::string& ip) {
    return "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},\n spec: "
           "{clusterIP: " +
           ip + ", ports: [{port: 80}]}}\n";
  };
  folder.write("web.yaml", service("10.96.0.9"));
  test::Program daemon(
      {.argv = words({"--source=" + folder.path().string(), "--iptables-min-sync-period=0s"})});
  const bool appeared =
      eventually([] { return save("nft").find("10.96.0.9/32") != std::string::npos; });
  folder.write("web.yaml", service("10.96.0.77"));
  const bool changed =
      eventually([] { return save("nft").find("10.96.0.77/32") != std::string::npos; });

  CHECK(appeared);
  CHECK(changed);
  CHECK(daemon.terminate() == 0);
  CHECK(save("nft").find("10.96.0.77/32") != std::string::npos);
  CHECK(save("nft").find("10.96.0.9/32") == std::string::npos);
}

TEST_CASE("program: a changed configuration that could not start is not taken over",
          "[netns][program]") {
  const NetworkNamespace space;
  shell("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1");
  const test::TemporaryFolder folder;
  const test::TemporaryFolder objects;
  objects.write("cluster.yaml",
                "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},\n spec: "
                "{clusterIP: 10.96.0.9, ports: [{port: 80}]}}\n");
  const auto configure = [&folder](const std::string& cidr) {
    return test::write_config(folder, "conntrack: {maxPerCore: 0}\nclusterCIDR: " + cidr + "\n");
  };
  const std::filesystem::path log = folder.path() / "log";
  test::Program daemon({.argv = {test::program_path(),
                                 "--config=" + configure("10.1.0.0/16"),
                                 "--source=" + objects.path().string()},
                        .log = log});
  const auto logged = [&log](const std::string& text) {
    return eventually([&] { return test::content(log.string()).find(text) != std::string::npos; });
  };
  const auto in_force = [] { return shell("curl -s http://127.0.0.1:10249/configz"); };
  REQUIRE(logged("Rules synced"));

  configure("fd00::/64");
  CHECK(logged("clusterCIDR has no IPv4 network"));
  CHECK_THAT(in_force(), Contains(R"("clusterCIDR":"10.1.0.0/16")"));

  configure("10.2.0.0/16");
  CHECK(logged("Configuration reloaded"));
  CHECK_THAT(in_force(), Contains(R"("clusterCIDR":"10.2.0.0/16")"));
  CHECK(daemon.terminate() == 0);
}
