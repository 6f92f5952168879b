#include <atomic>
#include <filesystem>
#include <map>
#include <string>
#include <thread>

#include <catch2/catch.hpp>

#include "k8sclient/identity/credentials.h"
#include "test/support/eventually.h"
#include "test/support/fake_api.h"
#include "test/support/follower.h"
#include "test/support/temporary_folder.h"

// Who we are and whom we trust is replaced while a watch runs: what comes next is asked for with
// the new files, and no event is missing.

using k8sclient::ApiServer;
using k8sclient::ObjectName;
using k8sclient::Service;
using test::FakeApi;
using test::Fault;
using namespace std::chrono_literals;

namespace {

/// Files that are replaced as others do it.
class Mount {
 public:
  enum class Way {
    kRename,   // each file by one of the same name, as cert-manager and editors do
    kSymlink,  // all at once: the files lead through ..data, which is swapped, as kubelet does
  };

  explicit Mount(Way way) : way_(way) {}

  std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }

  void write(const std::map<std::string, std::string>& files) {
    namespace fs = std::filesystem;
    const std::string version = "..v" + std::to_string(++versions_);
    if (way_ == Way::kSymlink) {
      fs::create_directory(path(version));
    }
    for (const auto& [name, content] : files) {
      folder_.write(way_ == Way::kRename ? name : version + "/" + name, content);
    }
    if (way_ == Way::kRename) {
      return;
    }
    fs::create_directory_symlink(version, path("..data_tmp"));
    fs::rename(path("..data_tmp"), path("..data"));
    for (const auto& [name, content] : files) {
      if (!fs::is_symlink(path(name))) {
        fs::create_symlink("..data/" + name, path(name));
      }
    }
    fs::remove_all(path("..v" + std::to_string(versions_ - 1)));
  }

 private:
  const Way way_;
  const test::TemporaryFolder folder_;
  int versions_ = 0;
};

Mount::Way any_way() {
  return GENERATE(Mount::Way::kRename, Mount::Way::kSymlink);
}

std::string port(int number) {
  return "\"spec\":{\"ports\":[{\"port\":" + std::to_string(number) + "}]}";
}

// A watch over which things happen before, while and after something is replaced.
class Watched {
 public:
  Watched(FakeApi& api, ApiServer server)
      : api_(api),
        follower_(std::move(server),
                  k8sclient::services_query(),
                  {.limits = {.head = 20s, .silence = 60s}}) {}

  bool is_up() const {
    return follower_.cache.wait([](const auto&) { return true; }) && watches();
  }

  // One event over the connection that is open, and one over the next, which something new is
  // needed for; both are there, and no list or failure was.
  void check_no_gap() {
    api_.put("services", {"x", "before"}, port(80));
    CHECK(has({"x", "before"}));
    const std::size_t requests = api_.requests().size();
    api_.strike("services", Fault::kEnd);
    CHECK(api_.wait_for_requests(requests + 1));
    api_.put("services", {"x", "after"}, port(81));
    CHECK(has({"x", "after"}));
    CHECK(has({"x", "before"}));
    CHECK(watches());
    CHECK(follower_.status().lists == 1);
    CHECK(follower_.status().failures == 0);
  }

 private:
  bool has(const ObjectName& name) const {
    return follower_.cache.wait([&](const auto& objects) { return objects.contains(name); });
  }

  bool watches() const { return api_.wait_for_watches("services", 1); }

  FakeApi& api_;
  test::Follower<Service> follower_;
};

std::string last_token(const FakeApi& api) {
  return api.requests().back().headers.at("authorization");
}

}  // namespace

TEST_CASE("rotation: a new token is shown by the next request", "[k8sclient][rotation]") {
  FakeApi api;
  Mount mount(any_way());
  mount.write({{"token", "first"}});
  Watched watched(api, {.url = api.url(), .token_file = mount.path("token")});
  REQUIRE(watched.is_up());
  CHECK(last_token(api) == "Bearer first");

  mount.write({{"token", "second"}});
  watched.check_no_gap();

  CHECK(last_token(api) == "Bearer second");
}

TEST_CASE("rotation: a new bundle of authorities counts for the next connection",
          "[k8sclient][rotation]") {
  const auto old_authority = test::make_authority();
  const auto new_authority = test::make_authority();
  FakeApi api({.certificate = test::issue(old_authority, "IP:127.0.0.1")});
  Mount mount(any_way());
  mount.write({{"ca.crt", old_authority.certificate}});
  Watched watched(api, {.url = api.url(), .ca = {{}, mount.path("ca.crt")}});
  REQUIRE(watched.is_up());

  mount.write({{"ca.crt", old_authority.certificate + new_authority.certificate}});
  api.present(test::issue(new_authority, "IP:127.0.0.1"));
  watched.check_no_gap();

  CHECK(api.connections() == 2);
}

TEST_CASE("rotation: a new client certificate is shown by the next connection",
          "[k8sclient][rotation]") {
  const auto authority = test::make_authority();
  FakeApi api({.certificate = test::issue(authority, "IP:127.0.0.1"),
               .client_authority = authority.certificate});
  Mount mount(any_way());
  const auto write = [&](const std::string& name) {
    const auto issued = test::issue(authority, name);
    mount.write({{"tls.crt", issued.certificate}, {"tls.key", issued.key}});
  };
  write("DNS:first");
  Watched watched(api,
                  {.url = api.url(),
                   .ca = {authority.certificate, {}},
                   .client_certificate = {{}, mount.path("tls.crt")},
                   .client_key = {{}, mount.path("tls.key")}});
  REQUIRE(watched.is_up());
  CHECK(api.requests().back().client_name == "DNS:first");

  write("DNS:second");
  watched.check_no_gap();

  CHECK(api.requests().back().client_name == "DNS:second");
}

TEST_CASE("rotation: a certificate and a key that are swapped meanwhile fit each other",
          "[k8sclient][rotation]") {
  Mount mount(Mount::Way::kSymlink);
  const auto write = [&](int version) {
    const std::string text = "version " + std::to_string(version);
    mount.write({{"tls.crt", text}, {"tls.key", text}});
  };
  write(0);
  k8sclient::Credentials credentials({.client_certificate = {{}, mount.path("tls.crt")},
                                      .client_key = {{}, mount.path("tls.key")}});
  std::atomic<bool> is_over = false;
  std::jthread kubelet([&] {
    for (int version = 1; !is_over; ++version) {
      write(version);
      std::this_thread::sleep_for(1ms);
    }
  });

  int mismatches = 0;
  std::string newest;
  for (int i = 0; i < 500; ++i) {
    const auto identity = credentials.current({});
    mismatches += identity.client_certificate == identity.client_key ? 0 : 1;
    newest = identity.client_key;
  }
  is_over = true;

  CHECK(mismatches == 0);
  CHECK(newest != "version 0");
}
