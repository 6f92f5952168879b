#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "k8sclient/identity/kubeconfig.h"
#include "k8sclient/objects/yaml.h"
#include "proxy/host/file.h"
#include "proxy/host/process.h"
#include "test/support/paths.h"
#include "test/support/temporary_folder.h"

using k8sclient::YamlNode;

namespace {

const std::filesystem::path kDeploy = test::source_folder() / "deploy/kustomize/base";

std::vector<std::string> manifest_names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(kDeploy)) {
    const std::string name = entry.path().filename();
    if (entry.path().extension() == ".yaml" && name != "kustomization.yaml") {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<YamlNode> load(const std::string& name) {
  return k8sclient::parse_yaml(proxy::read_file(kDeploy / name));
}

/// A field of an object; the test fails if it is not there.
const YamlNode& field(const YamlNode& object, const std::string& key) {
  INFO("field " << key << " of the object at line " << object.line);
  const auto* fields = std::get_if<YamlNode::Mapping>(&object.value);
  REQUIRE(fields != nullptr);
  const auto found = std::find_if(
      fields->begin(), fields->end(), [&](const auto& candidate) { return candidate.key == key; });
  REQUIRE(found != fields->end());
  return found->value;
}

template <typename... Keys>
const YamlNode& field(const YamlNode& object, const std::string& key, const Keys&... keys) {
  return field(field(object, key), keys...);
}

const std::vector<YamlNode>& items(const YamlNode& list) {
  return std::get<YamlNode::Sequence>(list.value);
}

const std::string& text(const YamlNode& node) {
  return std::get<std::string>(node.value);
}

std::vector<std::string> texts(const YamlNode& list) {
  std::vector<std::string> all;
  for (const YamlNode& item : items(list)) {
    all.push_back(text(item));
  }
  return all;
}

YamlNode pod() {
  return field(load("daemonset.yaml").at(0), "spec", "template", "spec");
}

std::vector<YamlNode> containers() {
  const YamlNode spec = pod();
  std::vector<YamlNode> all = items(field(spec, "initContainers"));
  for (const YamlNode& container : items(field(spec, "containers"))) {
    all.push_back(container);
  }
  return all;
}

/// The ConfigMap that kustomize makes of files.
YamlNode config_map() {
  return items(field(load("kustomization.yaml").at(0), "configMapGenerator")).at(0);
}

std::string content(const std::string& name) {
  return proxy::read_file(kDeploy / name);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// Exit status 0 and what it printed, or the test fails.
void run_successfully(std::vector<std::string> command) {
  const proxy::ProcessResult result = proxy::run({.argv = std::move(command), .input = {}});
  INFO(result.output << result.error);
  CHECK(result.status == 0);
}

}  // namespace

TEST_CASE("deploy: manifests are YAML that names what it is", "[deploy]") {
  for (const std::string& name : manifest_names()) {
    CAPTURE(name);
    for (const YamlNode& object : load(name)) {
      CHECK(k8sclient::duplicate_fields(object).empty());
      CHECK_FALSE(text(field(object, "apiVersion")).empty());
      CHECK_FALSE(text(field(object, "kind")).empty());
      CHECK_FALSE(text(field(object, "metadata", "name")).empty());
    }
  }
}

TEST_CASE("deploy: the kustomization lists every manifest", "[deploy]") {
  CHECK(texts(field(load("kustomization.yaml").at(0), "resources")) == manifest_names());
}

TEST_CASE("deploy: the program knows every flag of the DaemonSet and its configuration",
          "[deploy]") {
  const test::TemporaryFolder folder;
  folder.write("config.conf", content("config.conf"));
  for (const YamlNode& container : containers()) {
    std::vector<std::string> command{test::program_path()};
    for (std::string argument : texts(field(container, "args"))) {
      argument = replaced(std::move(argument), "/var/lib/iptproxy", folder.path());
      command.push_back(replaced(std::move(argument), "$(NODE_NAME)", "node-1"));
    }
    command.emplace_back("--validate-config");
    CAPTURE(command);

    run_successfully(std::move(command));
  }
}

TEST_CASE("deploy: kubeadm's configuration of kube-proxy is taken as it is", "[deploy]") {
  run_successfully(
      {test::program_path(),
       "--config=" + (test::source_folder() / "test/deploy/kubeadm-config.conf").string(),
       "--validate-config"});
}

TEST_CASE("deploy: the kubeconfig of the ConfigMap is one that can be read", "[deploy]") {
  const test::TemporaryFolder folder;
  folder.write("ca.crt", "a certificate");
  folder.write("token", "a token");
  const auto file = folder.write("kubeconfig.conf",
                                 replaced(content("kubeconfig.conf"),
                                          "/var/run/secrets/kubernetes.io/serviceaccount",
                                          folder.path()));

  const k8sclient::ApiServer server = k8sclient::read_kubeconfig(file);

  CHECK(server.url == "https://control-plane.example:6443");
  CHECK(server.token_file == folder.path() / "token");
}

TEST_CASE("deploy: manifests agree about names, files and ports", "[deploy]") {
  const YamlNode spec = pod();
  const std::string account = text(field(spec, "serviceAccountName"));
  const auto rbac = load("rbac.yaml");
  CHECK(text(field(rbac.at(0), "metadata", "name")) == account);
  CHECK(text(field(items(field(rbac.at(1), "subjects")).at(0), "name")) == account);

  CHECK(texts(field(config_map(), "files")) ==
        std::vector<std::string>{"config.conf", "kubeconfig.conf"});
  const std::string image =
      text(field(items(field(load("kustomization.yaml").at(0), "images")).at(0), "name"));
  std::set<std::string> volumes;
  for (const YamlNode& volume : items(field(spec, "volumes"))) {
    const std::string name = text(field(volume, "name"));
    volumes.insert(name);
    if (name == "config") {
      CHECK(text(field(volume, "configMap", "name")) == text(field(config_map(), "name")));
    }
  }
  for (const YamlNode& container : containers()) {
    CHECK(text(field(container, "image")) == image);
    for (const YamlNode& mount : items(field(container, "volumeMounts"))) {
      CHECK(volumes.contains(text(field(mount, "name"))));
    }
  }

  const YamlNode config = k8sclient::parse_yaml(content("config.conf")).at(0);
  const YamlNode proxy = containers().back();
  std::map<std::string, std::int64_t> ports;
  for (const YamlNode& port : items(field(proxy, "ports"))) {
    ports[text(field(port, "name"))] = std::get<std::int64_t>(field(port, "containerPort").value);
  }
  for (const char* server : {"healthz", "metrics"}) {
    CHECK(text(field(config, server + std::string("BindAddress")))
              .ends_with(":" + std::to_string(ports.at(server))));
  }
  for (const char* probe : {"startupProbe", "readinessProbe", "livenessProbe"}) {
    CHECK(text(field(proxy, probe, "httpGet", "port")) == "healthz");
  }
}

TEST_CASE("deploy: only the init container is privileged", "[deploy]") {
  const YamlNode security = field(containers().back(), "securityContext");

  CHECK(texts(field(security, "capabilities", "drop")) == std::vector<std::string>{"ALL"});
  CHECK(texts(field(security, "capabilities", "add")) == std::vector<std::string>{"NET_ADMIN"});
  CHECK(std::get<bool>(field(security, "allowPrivilegeEscalation").value) == false);
}

TEST_CASE("deploy: monitoring that looks for kube-proxy finds the pods", "[deploy]") {
  const YamlNode labels =
      field(load("daemonset.yaml").at(0), "spec", "template", "metadata", "labels");

  CHECK(text(field(labels, "k8s-app")) == "kube-proxy");
}
