#include "proxy/config/flags.h"

#include <CLI/CLI.hpp>
#include <catch2/catch.hpp>

#include "test/support/proxy_config.h"
#include "test/support/temporary_folder.h"

namespace {

using namespace std::chrono_literals;
using proxy::Config;
using proxy::Flags;

Flags parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "iptproxy");
  std::vector<std::string> words =
      proxy::normalize_arguments(static_cast<int>(arguments.size()), arguments.data());
  std::reverse(words.begin(), words.end());
  CLI::App app;
  Flags flags;
  proxy::add_flags(app, flags);
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    throw std::runtime_error(proxy::parse_error_line(app, error));
  }
  return flags;
}

Config config_of(std::vector<const char*> arguments) {
  return proxy::to_config(parse(std::move(arguments))).config;
}

std::vector<std::string> errors_of(std::vector<const char*> arguments) {
  try {
    config_of(std::move(arguments));
  } catch (const proxy::ConfigErrors& errors) {
    return errors.lines();
  }
  FAIL("accepted");
  return {};
}

TEST_CASE("config_flags: no flags give kube-proxy's defaults", "[proxy][config]") {
  CHECK(config_of({}) == Config{});
}

TEST_CASE("config_flags: the flags of a usual command line arrive", "[proxy][config]") {
  const Config config = config_of({"--hostname-override=k8s-worker1",
                                   "--cluster-cidr=10.244.0.0/16,fd00:10:244::/48",
                                   "--masquerade-all",
                                   "--iptables-localhost-nodeports=false",
                                   "--iptables_masquerade_bit",
                                   "31",
                                   "--iptables-sync-period=1h30m",
                                   "--nodeport-addresses=10.0.0.0/8,fd00::/64",
                                   "--nodeport-addresses=192.168.0.0/16",
                                   "--feature-gates=AllowServiceExternalIPs=false,Other=true",
                                   "--oom-score-adj",
                                   "-998",
                                   "--kube-api-qps=2.5",
                                   "--bind-address=::",
                                   "--metrics-bind-address=::1",
                                   "-v=4",
                                   "-f",
                                   "a.yaml",
                                   "--source=b",
                                   "--iptables-backend=restore",
                                   "--max-rules-per-service=500",
                                   "--service-metrics=false",
                                   "--iptables-layout=compact",
                                   "--cleanup"});

  Config expected;
  expected.hostname_override = "k8s-worker1";
  expected.cluster_cidr = "10.244.0.0/16,fd00:10:244::/48";
  expected.iptables.masquerade_all = true;
  expected.iptables.localhost_node_ports = false;
  expected.iptables.masquerade_bit = 31;
  expected.iptables.sync_period = 90min;
  expected.node_port_addresses = {"10.0.0.0/8", "fd00::/64", "192.168.0.0/16"};
  expected.feature_gates = {{"AllowServiceExternalIPs", false}, {"Other", true}};
  expected.oom_score_adj = -998;
  expected.client_connection.qps = 2.5;
  expected.bind_address = "::";
  expected.metrics_bind_address = "[::1]:10249";
  expected.logging.verbosity = 4;
  expected.sources = {"a.yaml", "b"};
  expected.iptables_backend = proxy::IptablesBackend::kRestore;
  expected.max_rules_per_service = 500;
  expected.service_metrics = false;
  expected.iptables_layout = rules::Layout::kCompact;
  expected.cleanup = true;
  CHECK(config == expected);
}

TEST_CASE("config_flags: every flag of kube-proxy's iptables mode is known", "[proxy][config]") {
  const char* flag = GENERATE("--kubeconfig=x",
                              "--kube-api-content-type=x",
                              "--kube-api-burst=1",
                              "--healthz-bind-address=1.2.3.4",
                              "--healthz-port=1",
                              "--metrics-port=1",
                              "--bind-address-hard-fail",
                              "--profiling",
                              "--show-hidden-metrics-for-version=1.35",
                              "--proxy-mode=iptables",
                              "--iptables-min-sync-period=0",
                              "--ipvs-sync-period=1s",
                              "--ipvs-min-sync-period=1s",
                              "--ipvs-scheduler=rr",
                              "--ipvs-exclude-cidrs=10.0.0.0/8",
                              "--ipvs-strict-arp",
                              "--ipvs-tcp-timeout=1s",
                              "--ipvs-tcpfin-timeout=1s",
                              "--ipvs-udp-timeout=1s",
                              "--detect-local-mode=NodeCIDR",
                              "--pod-bridge-interface=cni0",
                              "--pod-interface-name-prefix=veth",
                              "--conntrack-max-per-core=0",
                              "--conntrack-min=0",
                              "--conntrack-tcp-timeout-established=1h",
                              "--conntrack-tcp-timeout-close-wait=1h",
                              "--conntrack-tcp-be-liberal=true",
                              "--conntrack-udp-timeout=1s",
                              "--conntrack-udp-timeout-stream=1s",
                              "--config-sync-period=1m",
                              "--vmodule=a=1,b*=2",
                              "--logging-format=json",
                              "--log-flush-frequency=1s",
                              "--log-text-split-stream",
                              "--log-text-info-buffer-size=1",
                              "--log-json-split-stream",
                              "--log-json-info-buffer-size=1",
                              "--boot-id-file=x",
                              "--machine-id-file=x",
                              "--master=https://x",
                              "--init-only",
                              "--write-config-to=x",
                              "--v=2");
  CAPTURE(flag);

  CHECK_NOTHROW(config_of({flag}));
}

TEST_CASE("config_flags: an unknown flag is named", "[proxy][config]") {
  CHECK_THROWS_WITH(parse({"--no-such-flag=7", "--masquerade-all"}),
                    "unknown flag: --no-such-flag");
  CHECK_THROWS_WITH(parse({"stray"}), "no arguments are taken, got stray");
}

TEST_CASE("config_flags: a flag without its value is named", "[proxy][config]") {
  CHECK_THROWS_WITH(parse({"--cluster-cidr"}), "--cluster-cidr: needs a value");
  CHECK_THROWS_WITH(parse({"--boot-id-file"}), "--boot-id-file: needs a value");
  CHECK_THROWS_WITH(parse({"--healthz-port"}), "--healthz-port: needs a value");
  CHECK_THROWS_WITH(parse({"--masquerade-all="}),
                    "--masquerade-all: invalid argument \"\": must be true or false");
  CHECK_THROWS_WITH(parse({"--init_only=", "--bind-address=::"}),
                    "--init-only: invalid argument \"\": must be true or false");
}

TEST_CASE("config_flags: a misspelt flag is told with what was probably meant", "[proxy][config]") {
  CHECK_THROWS_WITH(parse({"--clustr-cidr=10.0.0.0/8"}),
                    "unknown flag: --clustr-cidr, did you mean --cluster-cidr?");
  CHECK_THROWS_WITH(parse({"--Config=x"}), "unknown flag: --Config, did you mean --config?");
  CHECK_THROWS_WITH(parse({"--no-such-thing"}), "unknown flag: --no-such-thing");
}

TEST_CASE("config_flags: the help leaves out what has no effect", "[proxy][config]") {
  CLI::App app;
  Flags flags;
  proxy::add_flags(app, flags);

  const std::string help = proxy::help_text(app);

  CHECK_THAT(help, Catch::Contains("--cluster-cidr"));
  CHECK_THAT(help, !Catch::Contains("--ipvs-scheduler") && !Catch::Contains("Hidden"));
}

TEST_CASE("config_flags: a flag that kube-proxy is going to drop is told of", "[proxy][config]") {
  CHECK(proxy::deprecated_flags(parse({"--cluster-cidr=10.0.0.0/8"})).empty());
  CHECK(proxy::deprecated_flags(parse({"--healthz-port=1", "--metrics-port=2"})) ==
        std::vector<std::string>{"--healthz-port is deprecated, use --healthz-bind-address",
                                 "--metrics-port is deprecated, use --metrics-bind-address"});
}

TEST_CASE("config_flags: blank modes mean the default ones", "[proxy][config]") {
  CHECK(config_of({"--proxy-mode=", "--detect-local-mode="}) == Config{});
}

TEST_CASE("config_flags: lists are split as kube-proxy does", "[proxy][config]") {
  CHECK(config_of({"--feature-gates= A = true ,,B=false,"}).feature_gates ==
        std::map<std::string, bool>{{"A", true}, {"B", false}});
  CHECK(config_of({"--nodeport-addresses="}).node_port_addresses.empty());
  CHECK_THROWS_WITH(config_of({"--nodeport-addresses=10.0.0.0/8,"}),
                    Catch::Contains("nodePortAddresses[1]: Invalid value: \"\""));
}

TEST_CASE("config_flags: values that no field can hold are refused", "[proxy][config]") {
  const auto [flag, line] = GENERATE(table<const char*, const char*>({
      {"--healthz-port=99999", "--healthz-port: invalid argument \"99999\": must be a port"},
      {"--metrics-port=-1", "--metrics-port: invalid argument \"-1\": must be a port"},
      {"--kube-api-qps=nan", "--kube-api-qps: invalid argument \"nan\": must be a number"},
      {"--hostname-override=a\xff", "--hostname-override: invalid argument: must be UTF-8 text"},
      {"--source=", "--source: invalid argument \"\": must be a file or a folder"},
      {"--kube-api-qps=inf", "--kube-api-qps: invalid argument \"inf\": must be a number"},
      {"--log-text-split-stream=x",
       "--log-text-split-stream: invalid argument \"x\": must be true or false"},
      {"--log-json-info-buffer-size=1KB",
       "--log-json-info-buffer-size: invalid argument \"1KB\": must be a quantity such as 64Ki"},
  }));

  CHECK_THROWS_WITH(config_of({flag}), line);
}

TEST_CASE("config_flags: bad values are reported together, by flag", "[proxy][config]") {
  try {
    config_of({"--iptables-masquerade-bit=x",
               "--iptables-sync-period=5",
               "--masquerade-all=maybe",
               "--iptables-backend=nft",
               "--max-rules-per-service=-1",
               "--iptables-layout=flat",
               "--feature-gates=A",
               "--oom-score-adj=5000",
               "--nodeport-addresses=10.0.0.1"});
    FAIL("accepted");
  } catch (const proxy::ConfigErrors& errors) {
    CHECK_THAT(
        errors.lines(),
        Catch::UnorderedEquals(std::vector<std::string>{
            "--iptables-masquerade-bit: invalid argument \"x\": must be a 32-bit integer",
            "--iptables-sync-period: invalid argument \"5\": must be a duration such as 1m30s",
            "--masquerade-all: invalid argument \"maybe\": must be true or false",
            "--iptables-backend: invalid argument \"nft\": must be auto, libiptc or restore",
            "--max-rules-per-service: invalid argument \"-1\": must be a whole number",
            "--iptables-layout: invalid argument \"flat\": must be kube-proxy or compact",
            "--feature-gates: invalid argument \"A\": \"A\" must be name=true or name=false",
            "--oom-score-adj: oomScoreAdj: Invalid value: 5000: must be within the range [-1000, "
            "1000]",
            "--nodeport-addresses: nodePortAddresses[0]: Invalid value: \"10.0.0.1\": must be a "
            "CIDR, such as 10.9.0.0/16, or 'primary'"}));
  }
}

TEST_CASE("config_flags: --master takes URLs of servers and nothing else", "[proxy][config]") {
  const auto* good =
      GENERATE("http://x", "https://10.0.0.1:6443/", "https://[fd00::1]:6443", "https://[::1]");
  CHECK(config_of({"--master", good}).master == good);

  const auto* bad = GENERATE("10.0.0.1:6443",
                             "ftp://x",
                             "https://",
                             "https:///path",
                             "http://x:99999",
                             "http://x:",
                             "http://x:0",
                             "http://[::1]:https");
  CHECK_THROWS_WITH(config_of({"--master", bad}),
                    std::string("--master: invalid argument \"") + bad +
                        "\": must be http:// or https://, a host and, if any, a valid port");
}

TEST_CASE("config_flags: the last of a repeated flag wins", "[proxy][config]") {
  CHECK(config_of({"--proxy-mode=ipvs", "--proxy-mode=iptables"}).mode == "iptables");
  CHECK_FALSE(config_of({"--cleanup", "--cleanup=false"}).cleanup);
}

TEST_CASE("config_flags: server addresses keep kube-proxy's oddities", "[proxy][config]") {
  CHECK(config_of({"--healthz-bind-address="}).healthz_bind_address == "0.0.0.0:10256");
  CHECK(config_of({"--healthz-port=0"}).healthz_bind_address.empty());
  CHECK(config_of({"--healthz-bind-address=1.2.3.4", "--healthz-port=99"}).healthz_bind_address ==
        "1.2.3.4:99");
  CHECK_THROWS_WITH(config_of({"--metrics-port=0"}), Catch::Contains("must be IP:port"));
}

TEST_CASE("config_flags: a configuration file hides the flags of its fields", "[proxy][config]") {
  const test::TemporaryFolder folder;
  const std::string path = test::write_config(folder,
                                              "clusterCIDR: 10.1.0.0/16\n"
                                              "hostnameOverride: from-file\n"
                                              "logging: {verbosity: 1}\n");
  const std::string config_flag = "--config=" + path;

  const Flags flags = parse({config_flag.c_str(),
                             "--cluster-cidr=10.2.0.0/16",
                             "--healthz-port=0",
                             "--hostname-override=from-flag",
                             "-v",
                             "5",
                             "--source=x"});
  const Config config = proxy::to_config(flags).config;

  CHECK(config.cluster_cidr == "10.1.0.0/16");
  CHECK(config.healthz_bind_address == "0.0.0.0:10256");
  CHECK(config.hostname_override == "from-flag");
  CHECK(config.logging.verbosity == 5);
  CHECK(config.sources == std::vector<std::string>{"x"});
  CHECK(config.config_file == path);
  CHECK(proxy::ignored_flags(flags) == std::vector<std::string>{"--cluster-cidr"});
}

TEST_CASE("config_flags: errors of a file name its line and the field", "[proxy][config]") {
  const test::TemporaryFolder folder;
  const std::string path = test::write_config(folder,
                                              "iptables:\n"
                                              "  masqueradeBit: 45\n"
                                              "nodePortAddresses:\n"
                                              "- 10.0.0.0/8\n"
                                              "- primary\n");
  const std::string config_flag = "--config=" + path;

  CHECK(errors_of({config_flag.c_str()}) ==
        std::vector<std::string>{
            path + ":4: iptables.masqueradeBit: Invalid value: 45: must be within the range [0, "
                   "31]",
            path + ":7: nodePortAddresses[1]: Invalid value: \"primary\": can't use both "
                   "'primary' and CIDRs"});
}

TEST_CASE("config_flags: beside a file, flags are still judged, and blamed for what they set",
          "[proxy][config]") {
  const test::TemporaryFolder folder;
  const std::string path = test::write_config(folder, "logging: {format: json}\n");
  const std::string config_flag = "--config=" + path;
  const auto [flag, line] = GENERATE(table<const char*, const char*>({
      {"--iptables-masquerade-bit=x",
       "--iptables-masquerade-bit: invalid argument \"x\": must be a 32-bit integer"},
      {"--healthz-port=x", "--healthz-port: invalid argument \"x\": must be a port"},
      {"--logging-format=xml",
       "--logging-format: logging.format: Invalid value: \"xml\": Unsupported log format"},
  }));

  CHECK_THROWS_WITH(config_of({config_flag.c_str(), flag}), line);
}

TEST_CASE("config_flags: one mistake is one line, whatever is written", "[proxy][config]") {
  const test::TemporaryFolder folder;
  const std::string path = test::write_config(folder,
                                              "nodePortAddresses: [1]\n"
                                              "featureGates: {\"x\\ny\": 1}\n"
                                              "mode: \"a\\e[31m\"\n");
  const std::string config_flag = "--config=" + path;

  CHECK(errors_of({config_flag.c_str()}) ==
        std::vector<std::string>{
            path + ":3: nodePortAddresses[0]: must be a string, not an integer",
            path + ":4: featureGates.x\\x0ay: must be a boolean, not an integer",
            path + ":5: mode: Invalid value: \"a\\x1b[31m\": must be iptables, ipvs, nftables or "
                   "blank"});
}

TEST_CASE("config_flags: what a file says in vain is told, on one line each", "[proxy][config]") {
  const test::TemporaryFolder folder;
  const std::string path = test::write_config(folder, "\"x\\ny\": 1\nudpIdleTimeout: 250ms\n");
  const std::string config_flag = "--config=" + path;

  CHECK(proxy::to_config(parse({config_flag.c_str()})).warnings ==
        std::vector<std::string>{
            path + ":3: x\\x0ay: unknown field, ignored: remove it",
            path + ":4: udpIdleTimeout: unknown field, ignored: Kubernetes dropped it with the "
                   "userspace mode, remove it"});
}

TEST_CASE("config_flags: --hostname-override is kept as kube-proxy writes it", "[proxy][config]") {
  CHECK(config_of({"--hostname-override= Node-1.Example "}).hostname_override == "node-1.example");
}

TEST_CASE("config_flags: --validate-config may be strict", "[proxy][config]") {
  const auto validation = [](const char* flag) { return config_of({flag}).validation; };

  CHECK(config_of({}).validation == proxy::Validation::kNo);
  CHECK(validation("--validate-config") == proxy::Validation::kLenient);
  CHECK(validation("--validate-config=false") == proxy::Validation::kNo);
  CHECK(validation("--validate-config=strict") == proxy::Validation::kStrict);
  CHECK_THROWS_WITH(config_of({"--validate-config=very"}),
                    "--validate-config: invalid argument \"very\": must be true, false or strict");
}

TEST_CASE("config_flags: a missing configuration file is named", "[proxy][config]") {
  CHECK_THROWS_WITH(config_of({"--config=/no/such/file"}),
                    "cannot read /no/such/file: No such file or directory");
}

TEST_CASE("config_flags: --version says which kube-proxy it stands in for", "[proxy][config]") {
  CHECK_FALSE(proxy::version_text(parse({})));
  CHECK_THAT(*proxy::version_text(parse({"--version"})),
             Catch::StartsWith("Kubernetes v1.36.2 (iptproxy "));
  CHECK_THAT(
      *proxy::version_text(parse({"--version=raw"})),
      Catch::Contains("compiler=") && Catch::Contains(" commit=") && Catch::Contains(" date="));
  CHECK_FALSE(proxy::version_text(parse({"--version=false"})));
  CHECK_THROWS_WITH(proxy::version_text(parse({"--version=2"})),
                    "--version: invalid argument \"2\": must be true, false or raw");
}

}  // namespace
