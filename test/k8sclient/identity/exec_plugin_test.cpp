#include "k8sclient/identity/exec_plugin.h"

#include <atomic>
#include <filesystem>
#include <thread>

#include <catch2/catch.hpp>
#include <fcntl.h>

#include "k8sclient/base/descriptor.h"
#include "k8sclient/base/file.h"
#include "k8sclient/errors.h"
#include "k8sclient/identity/credentials.h"
#include "k8sclient/identity/pem.h"
#include "test/support/eventually.h"
#include "test/support/temporary_folder.h"

using k8sclient::ApiServer;
using k8sclient::Credentials;
using k8sclient::decode_exec_credential;
using k8sclient::TransportError;

namespace {

constexpr auto kVersion = "client.authentication.k8s.io/v1";

std::string answer(const std::string& status) {
  return R"({"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{)" +
         status + "}}";
}

ApiServer server_with(const std::string& script) {
  return {.url = "https://api:6443",
          .exec = k8sclient::ExecPlugin{
              .api_version = kVersion, .command = "sh", .arguments = {"-c", script}}};
}

std::string failure(const std::string& script) {
  try {
    k8sclient::run_exec_plugin(server_with(script), {});
    return {};
  } catch (const TransportError& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("exec plugin: token, certificate and expiry are read", "[k8sclient][exec]") {
  const auto credential = decode_exec_credential(
      answer(R"("token":"t","clientCertificateData":"c\n","clientKeyData":"k",)"
             R"("expirationTimestamp":"2001-09-09T03:46:40.5+02:00")"),
      kVersion);

  CHECK(credential.token == "t");
  CHECK(credential.client_certificate == "c\n");
  CHECK(credential.client_key == "k");
  CHECK(credential.expires == std::chrono::sys_seconds(std::chrono::seconds(1'000'000'000)));
}

TEST_CASE("exec plugin: an answer that cannot be used is refused with the field",
          "[k8sclient][exec]") {
  const auto& [json, message] = GENERATE(table<std::string, std::string>({
      {"secret", "invalid JSON: "},
      {"{}", "status is missing"},
      {answer(""), "status: has neither token nor clientCertificateData"},
      {answer(R"("clientCertificateData":"c")"), "status: has only one of"},
      {answer(R"("token":7)"), "status.token: must be text, is a number"},
      {answer(R"("token":"t","expirationTimestamp":"tomorrow")"),
       "status.expirationTimestamp: \"tomorrow\" is not a time"},
      {R"({"kind":"Pod"})", "kind: expected ExecCredential, found \"Pod\""},
      {R"({"apiVersion":"client.authentication.k8s.io/v1beta1"})",
       "apiVersion: expected client.authentication.k8s.io/v1, found"},
  }));
  CAPTURE(json);

  try {
    decode_exec_credential(json, kVersion);
    FAIL("accepted");
  } catch (const TransportError& error) {
    CHECK_THAT(error.what(), Catch::StartsWith(message));
    CHECK_THAT(error.what(), !Catch::Contains("secret"));
  }
}

TEST_CASE("exec plugin: it is told about the request and the cluster", "[k8sclient][exec]") {
  const test::TemporaryFolder folder;
  const auto seen = folder.path() / "seen";
  ApiServer server = server_with("printf %s \"$KUBERNETES_EXEC_INFO\" > " + seen.string() +
                                 "; echo '" + answer(R"("token":"t")") + "'");
  server.ca.text = "PEM";
  server.tls_server_name = "na\"me";
  server.exec->provide_cluster_info = true;

  CHECK(k8sclient::run_exec_plugin(server, {}).token == "t");

  CHECK(k8sclient::load_pem({{}, seen}) ==
        R"({"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{)"
        R"("interactive":false,"cluster":{"server":"https://api:6443",)"
        R"("insecure-skip-tls-verify":false,"tls-server-name":"na\"me",)"
        R"("certificate-authority-data":"UEVN"}}})");
}

TEST_CASE("exec plugin: a failure says how, and what the plugin complained", "[k8sclient][exec]") {
  CHECK(failure("echo log in first >&2; exit 1") ==
        "credential plugin sh: exited with status 1: \"log in first\"");
  CHECK_THAT(failure("echo nonsense"), Catch::StartsWith("credential plugin sh: invalid JSON"));
}

TEST_CASE("exec plugin: its answer is kept until it expires or is refused", "[k8sclient][exec]") {
  const test::TemporaryFolder folder;
  const auto count = (folder.path() / "count").string();
  const auto token_of = [](Credentials& credentials) { return credentials.current({}).token; };
  // Each call answers with its number.
  const std::string script = "echo x >> " + count + "; n=$(wc -l < " + count + "); echo '" +
                             answer(R"("token":"'$n'"EXPIRY)") + "'";
  const auto expiring = [&](const std::string& expiry) {
    std::string text = script;
    return text.replace(text.find("EXPIRY"), 6, expiry);
  };

  SECTION("without expiry") {
    Credentials credentials(server_with(expiring("")));

    const k8sclient::Identity first = credentials.current({});
    CHECK(first.token == "1");
    CHECK(token_of(credentials) == "1");
    credentials.refused(first);
    CHECK(token_of(credentials) == "2");

    // Another request that was made with the first answer.
    credentials.refused(first);
    CHECK(token_of(credentials) == "2");
  }
  SECTION("far from expiry") {
    Credentials credentials(
        server_with(expiring(R"(,"expirationTimestamp":"2999-01-01T00:00:00Z")")));

    CHECK(token_of(credentials) == "1");
    CHECK(token_of(credentials) == "1");
  }
  SECTION("expired") {
    Credentials credentials(
        server_with(expiring(R"(,"expirationTimestamp":"2020-01-01T00:00:00Z")")));

    CHECK(token_of(credentials) == "1");
    CHECK(token_of(credentials) == "2");
  }
}

TEST_CASE("exec plugin: it inherits no descriptor of ours", "[k8sclient][exec]") {
  const test::TemporaryFolder folder;
  const auto seen = (folder.path() / "seen").string();
  // As sockets of libraries are, which know nothing of close-on-exec.
  const k8sclient::Descriptor open(::open("/dev/null", O_RDONLY));  // NOLINT: it is the point

  k8sclient::run_exec_plugin(
      server_with("ls /proc/self/fd > " + seen + "; echo '" + answer(R"("token":"t")") + "'"), {});

  // The last one is the folder that is listed.
  CHECK(k8sclient::read_file(seen) == "0\n1\n2\n3\n");
}

TEST_CASE("exec plugin: who waits for another's answer still hears that it is to stop",
          "[k8sclient][exec]") {
  const test::TemporaryFolder folder;
  const auto started = folder.path() / "started";
  Credentials credentials(server_with("touch " + started.string() + "; sleep 1000"));
  const auto ask = [&](std::stop_token stop) {
    CHECK_THROWS_AS(credentials.current(std::move(stop)), k8sclient::Stopped);
  };
  std::jthread first(ask);
  REQUIRE(test::eventually([&] { return std::filesystem::exists(started); }));
  std::jthread second(ask);

  second.request_stop();
  second.join();

  first.request_stop();
  first.join();
}

TEST_CASE("exec plugin: callers that come together get one answer, or one failure",
          "[k8sclient][exec]") {
  const test::TemporaryFolder folder;
  const auto count = (folder.path() / "count").string();
  const auto gate = folder.path() / "gate";
  const bool is_good = GENERATE(true, false);
  const std::string end = is_good ? "echo '" + answer(R"("token":"t")") + "'" : "exit 3";
  Credentials credentials(server_with("echo x >> " + count + "; until test -e " + gate.string() +
                                      "; do sleep 0.01; done; " + end));
  std::atomic<int> waiting = 0;
  std::vector<std::string> results(3);
  {
    std::vector<std::jthread> callers;
    for (std::string& result : results) {
      callers.emplace_back([&] {
        ++waiting;
        try {
          result = credentials.current({}).token;
        } catch (const TransportError& error) {
          result = error.what();
        }
      });
    }
    CHECK(test::eventually([&] { return waiting == 3 && std::filesystem::exists(count); }));
    folder.write("gate", "");
  }

  const std::string wanted = is_good ? "t" : "credential plugin sh: exited with status 3";
  CHECK(results == std::vector<std::string>(3, wanted));
  CHECK((!is_good || k8sclient::read_file(count) == "x\n"));
}
