#include "proxy/commands/daemon.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/config/file.h"

namespace {

using proxy::Config;
using proxy::Flags;

std::string configz_of(const Config& config) {
  return fmt::format(R"({{"kubeproxy.config.k8s.io":{},"iptproxy":{}}})",
                     proxy::to_json(config),
                     proxy::own_json(config));
}

TEST_CASE("daemon: a question without flags is about the daemon that runs", "[proxy][daemon]") {
  CHECK(proxy::asks_about_daemon({}));
  CHECK(proxy::asks_about_daemon({.fields = {{"v", "2"}, {"logging-format", "json"}}}));
  CHECK(proxy::asks_about_daemon({.fields = {{"metrics-bind-address", "127.0.0.1:9"}}}));
  CHECK_FALSE(proxy::asks_about_daemon({.fields = {{"cluster-cidr", "10.0.0.0/8"}}}));
  CHECK_FALSE(proxy::asks_about_daemon({.fields = {{"kubeconfig", "x"}}}));
  CHECK_FALSE(proxy::asks_about_daemon({.sources = {"x"}}));
  CHECK_FALSE(proxy::asks_about_daemon({.config = "x"}));
  CHECK_FALSE(proxy::asks_about_daemon({.master = "http://x"}));
}

TEST_CASE("daemon: a command takes over what the daemon was told", "[proxy][daemon]") {
  Config daemon;
  daemon.cluster_cidr = "10.244.0.0/16";
  daemon.hostname_override = "worker-1";
  daemon.iptables.masquerade_bit = 3;
  daemon.client_connection.kubeconfig = "/etc/kubeconfig";
  daemon.node_port_addresses = {"primary"};
  daemon.sources = {"/manifests"};
  daemon.master = "https://10.0.0.1";
  daemon.logging.verbosity = 4;
  Config own;
  own.metrics_bind_address = "127.0.0.1:9";

  const auto config = proxy::configuration_in(configz_of(daemon), own);

  daemon.logging = own.logging;
  daemon.metrics_bind_address = own.metrics_bind_address;
  REQUIRE(config);
  CHECK(config->cluster_cidr == "10.244.0.0/16");
  CHECK(config->hostname_override == "worker-1");
  CHECK(config->iptables == daemon.iptables);
  CHECK(config->client_connection == daemon.client_connection);
  CHECK(config->node_port_addresses == daemon.node_port_addresses);
  CHECK(config->sources == daemon.sources);
  CHECK(config->master == daemon.master);
  CHECK(config->logging == own.logging);
  CHECK(config->metrics_bind_address == "127.0.0.1:9");
  CHECK(config->config_file.empty());
}

TEST_CASE("daemon: kube-proxy's answer has no command line, and counts", "[proxy][daemon]") {
  Config kube_proxy;
  kube_proxy.cluster_cidr = "10.244.0.0/16";

  const auto config = proxy::configuration_in(
      fmt::format(R"({{"kubeproxy.config.k8s.io":{}}})", proxy::to_json(kube_proxy)), {});

  REQUIRE(config);
  CHECK(config->cluster_cidr == "10.244.0.0/16");
  CHECK(config->sources.empty());
}

TEST_CASE("daemon: what is no configuration is told apart", "[proxy][daemon]") {
  const std::string text = GENERATE(as<std::string>(),
                                    "",
                                    "404 page not found",
                                    "<html>",
                                    R"({"kubelet.config.k8s.io":{}})",
                                    R"({"kubeproxy.config.k8s.io":{"mode":7}})",
                                    R"({"kubeproxy.config.k8s.io":)");
  CAPTURE(text);

  CHECK_FALSE(proxy::configuration_in(text, {}));
}

}  // namespace
