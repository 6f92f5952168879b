#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "proxy/cluster/object_file.h"
#include "proxy/host/file.h"
#include "test/support/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using proxy::ClusterObjects;

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

/// Runs a FileSource and hands out what it delivers, in order.
class Deliveries {
 public:
  explicit Deliveries(const std::string& path)
      : source_(paths(path)), thread_([this](const std::stop_token& stop) {
          source_.run(stop, [this](ClusterObjects cluster) {
            const std::lock_guard lock(mutex_);
            clusters_.push_back(std::move(cluster));
            arrived_.notify_one();
          });
        }) {}

  // The first delivery that satisfies the predicate; earlier ones are dropped.
  template <typename Predicate>
  ClusterObjects next(Predicate wanted) {
    std::unique_lock lock(mutex_);
    while (true) {
      if (!arrived_.wait_for(
              lock, std::chrono::seconds(30), [this] { return !clusters_.empty(); })) {
        throw std::runtime_error("nothing was delivered");
      }
      ClusterObjects cluster = std::move(clusters_.front());
      clusters_.pop_front();
      if (wanted(cluster)) {
        return cluster;
      }
    }
  }

  ClusterObjects next_with(const Names& services) {
    return next([&](const ClusterObjects& cluster) { return names(cluster.services) == services; });
  }

 private:
  proxy::FileSource source_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<ClusterObjects> clusters_;
  std::jthread thread_;  // last: stops before the rest goes
};

TEST_CASE("object_file: a source delivers again when its files change", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("web.yaml", service("web", 80)).string();
  Deliveries deliveries(folder.path().string());
  deliveries.next_with({"default/web:80"});

  SECTION("written in place") {
    proxy::write_file(file, service("web", 81));
    deliveries.next_with({"default/web:81"});
  }
  SECTION("replaced by renaming") {
    folder.write("web.yaml", service("web", 82));
    deliveries.next_with({"default/web:82"});
  }
  SECTION("another file appears and goes") {
    folder.write("api.yaml", service("api", 90));
    deliveries.next_with({"default/api:90", "default/web:80"});
    fs::remove(folder.path() / "api.yaml");
    deliveries.next_with({"default/web:80"});
  }
}

TEST_CASE("object_file: a source notices the symlink swap of a ConfigMap", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const auto publish = [&](const std::string& version, int port) {
    fs::create_directory(folder.path() / version);
    proxy::write_file((folder.path() / version / "web.yaml").string(), service("web", port));
    fs::create_directory_symlink(version, folder.path() / "..data_tmp");
    fs::rename(folder.path() / "..data_tmp", folder.path() / "..data");
  };
  publish("..1", 80);
  fs::create_symlink("..data/web.yaml", folder.path() / "web.yaml");

  SECTION("given the folder") {
    Deliveries deliveries(folder.path().string());
    deliveries.next_with({"default/web:80"});
    publish("..2", 81);
    deliveries.next_with({"default/web:81"});
  }
  SECTION("given the file") {
    Deliveries deliveries((folder.path() / "web.yaml").string());
    deliveries.next_with({"default/web:80"});
    publish("..2", 81);
    deliveries.next_with({"default/web:81"});
  }
}

TEST_CASE("object_file: a syntax error or a lost file keeps the objects", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("web.yaml", service("web", 80)).string();
  Deliveries deliveries(file);
  deliveries.next_with({"default/web:80"});
  const auto with_errors = [](const ClusterObjects& cluster) { return !cluster.errors.empty(); };

  folder.write("web.yaml", "kind: [");
  const ClusterObjects broken = deliveries.next(with_errors);
  CHECK(names(broken.services) == Names{"default/web:80"});
  CHECK(broken.errors.back() ==
        file + ": keeps the objects that it had before (to take them away, delete the file)");

  fs::remove(file);
  const ClusterObjects lost = deliveries.next([&](const ClusterObjects& cluster) {
    return with_errors(cluster) && cluster.errors[0].find("No such file") != std::string::npos;
  });
  CHECK(names(lost.services) == Names{"default/web:80"});

  folder.write("web.yaml", service("web", 83));
  CHECK(deliveries.next_with({"default/web:83"}).errors == Names{});
}

TEST_CASE("object_file: a file that became odd keeps its objects, and its neighbours go on",
          "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  folder.write("web.yaml", service("web", 80));
  folder.write("api.yaml", service("api", 90));
  Deliveries deliveries(folder.path().string());
  deliveries.next_with({"default/api:90", "default/web:80"});
  const std::string odd =
      GENERATE("",
               "# later\n",
               R"({"kind":"Status","apiVersion":"v1","status":"Failure","code":403})",
               R"({"kind":"List","apiVersion":"v1","items":[{"kind":"Service","apiV)");
  CAPTURE(odd);

  folder.write("web.yaml", odd);
  folder.write("api.yaml", service("api", 91));

  const ClusterObjects cluster = deliveries.next_with({"default/api:91", "default/web:80"});
  CHECK_FALSE(cluster.errors.empty());
}

TEST_CASE("object_file: a link that leads nowhere for now keeps its objects",
          "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const test::TemporaryFolder elsewhere;
  folder.write("api.yaml", service("api", 90));
  const fs::path target = elsewhere.write("web.yaml", service("web", 80));
  const fs::path link = folder.path() / "web.yaml";
  fs::create_symlink(target, link);
  Deliveries deliveries(folder.path().string());
  deliveries.next_with({"default/api:90", "default/web:80"});

  fs::remove(target);
  const ClusterObjects lost =
      deliveries.next([](const ClusterObjects& cluster) { return !cluster.errors.empty(); });

  CHECK(names(lost.services) == Names{"default/api:90", "default/web:80"});
  CHECK_THAT(lost.errors.back(), Catch::Contains(link.string() + ": keeps the objects"));
  fs::remove(link);
  deliveries.next_with({"default/api:90"});
}

TEST_CASE("object_file: an object that became unreadable stays as it was", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  folder.write("f.yaml", service("web", 80) + "---\n" + service("api", 90));
  Deliveries deliveries(folder.path().string());
  deliveries.next_with({"default/api:90", "default/web:80"});

  folder.write("f.yaml",
               "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
               "spec: {clusterIP: 10.96.0.1, ports: [{port: \"80\"}]}\n---\n" +
                   service("api", 91));

  const ClusterObjects cluster = deliveries.next_with({"default/api:91", "default/web:80"});
  REQUIRE(cluster.errors.size() == 2);
  CHECK_THAT(cluster.errors[1], Catch::EndsWith("Service default/web stays as it was before"));
}

TEST_CASE("object_file: a source that lost all objects keeps them", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("web.yaml", service("web", 80)).string();
  Deliveries deliveries(folder.path().string());
  deliveries.next_with({"default/web:80"});

  fs::remove(file);

  const ClusterObjects kept =
      deliveries.next([](const ClusterObjects& cluster) { return !cluster.errors.empty(); });
  CHECK(names(kept.services) == Names{"default/web:80"});
  CHECK_THAT(kept.errors[0], Catch::Contains("holds no Node, Service or EndpointSlice"));
}

TEST_CASE("object_file: a source without an object is waited for", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  folder.write("web.yaml", "");
  Deliveries deliveries(folder.path().string());

  const ClusterObjects nothing = deliveries.next([](const ClusterObjects&) { return true; });
  CHECK(nothing.empty());
  CHECK_FALSE(nothing.errors.empty());

  folder.write("web.yaml", service("web", 80));
  deliveries.next_with({"default/web:80"});
}

TEST_CASE("object_file: a file counts when its writer has closed it", "[proxy][object_file]") {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("web.yaml", service("web", 80)).string();
  folder.write("api.yaml", service("api", 90));
  Deliveries deliveries(folder.path().string());
  deliveries.next_with({"default/api:90", "default/web:80"});

  std::ofstream writer(file);  // cuts it to nothing
  writer << service("web", 81) << "---\n" << std::flush;
  folder.write("api.yaml", service("api", 91));
  CHECK(deliveries.next_with({"default/api:91", "default/web:80"}).errors.empty());

  writer << service("more", 82);
  writer.close();
  deliveries.next_with({"default/api:91", "default/more:82", "default/web:81"});
}

}  // namespace
