#include "proxy/cluster/object_file.h"

#include <system_error>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/config/config.h"
#include "test/support/temporary_folder.h"

namespace {

using proxy::ClusterObjects;
using proxy::ManifestFile;

std::string service(std::string_view name, int port) {
  return fmt::format(
      "apiVersion: v1\n"
      "kind: Service\n"
      "metadata: {{name: {}}}\n"
      "spec:\n"
      "  clusterIP: 10.96.0.1\n"
      "  ports: [{{port: {}}}]\n",
      name,
      port);
}

constexpr const char* kNodeJson =
    R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"},"status":{"addresses":[]}})";

std::vector<std::string> names(const std::vector<k8sclient::Service>& services) {
  std::vector<std::string> texts;
  for (const k8sclient::Service& service : services) {
    texts.push_back(fmt::format("{}:{}", to_string(service.name), service.ports.at(0).port));
  }
  return texts;
}

std::vector<std::string> paths(const std::string& path) {
  return {path};
}

using Names = std::vector<std::string>;

TEST_CASE("object_file: a folder of YAML and JSON files is one cluster", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  folder.write("b.yaml", service("web", 80) + "---\n" + service("api", 81));
  folder.write("a.json", kNodeJson);
  folder.write("c.yml",
               "apiVersion: v1\nkind: List\nitems:\n- apiVersion: discovery.k8s.io/v1\n"
               "  kind: EndpointSlice\n  metadata: {name: web-1, labels: "
               "{kubernetes.io/service-name: web}}\n"
               "  addressType: IPv4\n  endpoints: []\n");
  folder.write(".hidden.yaml", service("hidden", 1));
  folder.write("notes.txt", "not: [a manifest");

  const ClusterObjects cluster = proxy::load_objects(paths(folder.path().string()));

  CHECK(names(cluster.services) == Names{"default/api:81", "default/web:80"});
  REQUIRE(cluster.slices.size() == 1);
  CHECK(cluster.slices[0].service.view() == "web");
  REQUIRE(cluster.nodes.size() == 1);
  CHECK(cluster.nodes[0].name.name == "n1");
  CHECK(cluster.errors == Names{});
  CHECK(cluster.notes == Names{});
}

TEST_CASE("object_file: quoted text stays text in YAML", "[proxy][object_file]") {
  const ManifestFile file =
      proxy::parse_manifests("f", "apiVersion: v1\nkind: Node\nmetadata: {name: \"007\"}\n");

  CHECK(file.errors == Names{});
  REQUIRE(file.objects.nodes.size() == 1);
  CHECK(file.objects.nodes[0].name.name == "007");
}

TEST_CASE("object_file: a malformed object is skipped by name, the others are loaded",
          "[proxy][object_file]") {
  const std::string text = service("bad", 70000) + "---\n" + service("good", 80) +
                           "---\nkind: [broken\n---\n" + service("quoted", 1) + "---\n" +
                           service("last", 82);
  const std::string quoted = text.substr(0, text.find("port: 1}")) + "port: \"1\"}" +
                             text.substr(text.find("port: 1}") + 8);

  const ManifestFile file = proxy::parse_manifests("f.yaml", quoted);

  CHECK(names(file.objects.services) == Names{"default/good:80", "default/last:82"});
  CHECK_FALSE(file.is_whole);
  REQUIRE(file.errors.size() == 3);
  CHECK_THAT(file.errors[0], Catch::StartsWith("f.yaml:1: Service bad: spec.ports[0].port"));
  CHECK_THAT(file.errors[1], Catch::StartsWith("f.yaml:1"));
  CHECK_THAT(file.errors[2], Catch::Contains("Service quoted: spec.ports[0].port"));
}

TEST_CASE("object_file: duplicate fields make an object malformed", "[proxy][object_file]") {
  const ManifestFile file =
      proxy::parse_manifests("f", service("web", 80) + "  clusterIP: 10.96.0.2\n");

  CHECK(file.objects.services.empty());
  REQUIRE(file.errors.size() == 1);
  CHECK_THAT(file.errors[0], Catch::Contains("Service web: spec.clusterIP"));
}

TEST_CASE("object_file: of two objects with one name the later stays, with a note",
          "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const std::string first = folder.write("1.yaml", service("web", 80)).string();
  const std::string second = folder.write("2.yaml", service("web", 81)).string();

  const ClusterObjects cluster = proxy::load_objects(paths(folder.path().string()));

  CHECK(names(cluster.services) == Names{"default/web:81"});
  CHECK(cluster.notes ==
        Names{fmt::format("{}: Service default/web replaces the one of {}", second, first)});
}

TEST_CASE("object_file: kinds of no interest are noted", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  std::string text(kNodeJson);
  text += "\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n";
  const std::string file = folder.write("f.yaml", text).string();

  CHECK(proxy::load_objects(paths(file)).notes ==
        Names{file + ": apps/v1 Deployment is of no interest here"});
}

TEST_CASE("object_file: a document that is no manifest is an error", "[proxy][object_file]") {
  CHECK(proxy::parse_manifests("f", "{\"a\": 1}").errors.size() == 1);
  CHECK(proxy::parse_manifests("f", "just text\n").errors.size() == 1);
  CHECK(proxy::parse_manifests("f", "{\"kind\": \"Service\"").errors.size() == 1);
  CHECK(proxy::parse_manifests("f", " \n").errors == Names{"f: is empty"});
  CHECK(proxy::parse_manifests("f", "---\n# nothing\n").errors.empty());
}

TEST_CASE("object_file: a path that cannot be read is named", "[proxy][object_file]") {
  CHECK_THROWS_WITH(proxy::load_objects(paths("/no/such/file.yaml")),
                    Catch::Contains("/no/such/file.yaml"));
}

TEST_CASE("object_file: a file that is all wrong is no empty cluster", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("a.json", "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"it");

  CHECK_THROWS_AS(proxy::load_objects(paths(file)), proxy::ConfigErrors);
  CHECK_THROWS_WITH(proxy::load_objects(paths(file)), Catch::StartsWith(file + ":1: "));

  folder.write("b.json", kNodeJson);
  const ClusterObjects in_folder = proxy::load_objects(paths(folder.path().string()));
  CHECK(in_folder.errors.size() == 1);
  CHECK_FALSE(in_folder.is_whole);
  folder.write("a.json", "[\n---\n" + service("web", 80));
  CHECK(names(proxy::load_objects(paths(file)).services) == Names{"default/web:80"});
}

TEST_CASE("object_file: what holds no object is no empty cluster", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const std::string text = GENERATE(
      "",
      " \n\n",
      "# nothing yet\n",
      "---\n---\n",
      R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"no","code":403})",
      R"({"kind":"List","apiVersion":"v1","items":[]})",
      "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n",
      "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: \"8\"}]}\n");
  CAPTURE(text);
  const std::string odd = folder.write("odd.yaml", text).string();
  const std::string good = folder.write("good.json", kNodeJson).string();

  const std::string reason = odd + ": holds no Node, Service or EndpointSlice";
  CHECK_THROWS_WITH(proxy::load_objects(paths(odd)), Catch::Contains(reason));
  CHECK_THROWS_WITH(proxy::load_objects(Names{good, odd}), Catch::Contains(reason));
  CHECK(proxy::load_objects(paths(folder.path().string())).nodes.size() == 1);
}

TEST_CASE("object_file: an answer of the API server is not the objects that it was asked for",
          "[proxy][object_file]") {
  const ManifestFile file = proxy::parse_manifests(
      "f",
      R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":"services is forbidden","code":403})");

  CHECK_FALSE(file.is_whole);
  CHECK(file.errors == Names{"f: is an answer of the API server and no object: 403 services is "
                             "forbidden"});
}

TEST_CASE("object_file: endpoints in a form that is not read are a warning",
          "[proxy][object_file]") {
  const auto type = GENERATE("apiVersion: v1\nkind: Endpoints\n",
                             "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n");
  const test::TemporaryFolder folder;
  const std::string file =
      folder.write("f.yaml", service("web", 80) + "---\n" + type + "metadata: {name: web}\n");

  const ClusterObjects cluster = proxy::load_objects(paths(file));

  REQUIRE(cluster.warnings.size() == 1);
  CHECK_THAT(cluster.warnings[0], Catch::Contains("EndpointSlices of discovery.k8s.io/v1"));
}

TEST_CASE("object_file: what the API server would fill in is filled in", "[proxy][object_file]") {
  const ManifestFile file = proxy::parse_manifests(
      "f",
      "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1}\n"
      "addressType: IPv4\nports: [{port: 8080}, {name: a, port: 81}]\nendpoints: []\n");

  REQUIRE(file.objects.slices.size() == 1);
  const auto& ports = file.objects.slices[0].ports;
  REQUIRE(ports.size() == 2);
  CHECK(ports[0].name == "");
  CHECK(ports[0].protocol == "TCP");
  CHECK(ports[1].name == "a");
}

}  // namespace
