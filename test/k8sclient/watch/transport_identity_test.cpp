#include <catch2/catch.hpp>

#include "k8sclient/watch/transport.h"
#include "test/support/failure.h"
#include "test/support/fake_api.h"
#include "test/support/temporary_folder.h"

// Who the server is, and who we are, by certificates.

using k8sclient::ApiServer;
using k8sclient::Pem;
using test::failure;
using test::FakeApi;

namespace {

const test::Certificate& authority() {
  static const test::Certificate certificate = test::make_authority();
  return certificate;
}

}  // namespace

TEST_CASE("transport: the server is trusted only if authority, name and time are right",
          "[k8sclient][transport]") {
  const FakeApi api({.certificate = test::issue(authority(), "DNS:kubernetes,IP:127.0.0.1")});
  const FakeApi named({.certificate = test::issue(authority(), "DNS:kubernetes")});
  const FakeApi expired({.certificate = test::issue_expired(authority(), "IP:127.0.0.1")});
  const FakeApi ipv6({.certificate = test::issue(authority(), "IP:::1"), .is_ipv6 = true});
  const std::string ca = authority().certificate;
  const std::string other = test::make_authority().certificate;

  CHECK(failure({.url = api.url(), .ca = {ca, {}}}) == "");
  CHECK(failure({.url = ipv6.url(), .ca = {ca, {}}}) == "");
  CHECK(failure({.url = named.url(), .ca = {ca, {}}, .tls_server_name = "kubernetes"}) == "");
  CHECK(failure({.url = expired.url(), .insecure_skip_tls_verify = true}) == "");
  CHECK_THAT(failure({.url = api.url(), .ca = {other, {}}}), Catch::Contains("issuer certificate"));
  CHECK_THAT(failure({.url = api.url()}), Catch::Contains("issuer certificate"));
  CHECK_THAT(failure({.url = named.url(), .ca = {ca, {}}}), Catch::Contains("IP address mismatch"));
  CHECK_THAT(failure({.url = api.url(), .ca = {ca, {}}, .tls_server_name = "other"}),
             Catch::Contains("hostname mismatch"));
  CHECK_THAT(failure({.url = expired.url(), .ca = {ca, {}}}), Catch::Contains("expired"));
}

TEST_CASE("transport: a server's common name is no name of it", "[k8sclient][transport]") {
  const FakeApi api({.certificate = test::issue_by_common_name(authority(), "kubernetes")});

  CHECK_THAT(
      failure(
          {.url = api.url(), .ca = {authority().certificate, {}}, .tls_server_name = "kubernetes"}),
      Catch::Contains("hostname mismatch"));
}

TEST_CASE("transport: an empty file of authorities trusts nobody", "[k8sclient][transport]") {
  const test::TemporaryFolder folder;
  const auto file = folder.write("ca.pem", GENERATE("", "\n"));

  CHECK(failure({.url = "https://127.0.0.1:1", .ca = {{}, file}}) ==
        "GET /api/v1/services: " + file.string() + ": is empty");
}

TEST_CASE("transport: a client certificate is shown, and read again when its file changes",
          "[k8sclient][transport]") {
  const test::TemporaryFolder folder;
  const auto write = [&](const test::Certificate& certificate) {
    folder.write("crt", certificate.certificate);
    folder.write("key", certificate.key);
  };
  FakeApi api({.certificate = test::issue(authority(), "IP:127.0.0.1"),
               .client_authority = authority().certificate});
  ApiServer server{.url = api.url(),
                   .ca = {authority().certificate, {}},
                   .client_certificate = {{}, folder.path() / "crt"},
                   .client_key = {{}, folder.path() / "key"}};
  write(test::issue(authority(), "DNS:client"));
  const auto transport = k8sclient::make_transport(server, "test");

  transport->get(test::kFailurePath, {});
  CHECK(api.requests().back().client_name == "DNS:client");

  write(test::issue(authority(), "DNS:renewed"));
  transport->get(test::kFailurePath, {});
  CHECK(api.requests().back().client_name == "DNS:renewed");

  server.client_certificate = {};
  CHECK(failure(server) != "");
}

TEST_CASE("transport: a bad certificate or key is named by its key and file",
          "[k8sclient][transport]") {
  const test::TemporaryFolder folder;
  const std::string file = folder.write("proxy.pem", "nonsense").string();
  const auto [certificate, key] = authority();
  const auto failure_of = [](Pem ca, Pem client_certificate, Pem client_key) {
    return failure({.url = "https://127.0.0.1:1",
                    .ca = std::move(ca),
                    .client_certificate = std::move(client_certificate),
                    .client_key = std::move(client_key)});
  };

  CHECK_THAT(failure_of({"-----BEGIN nonsense-----", {}}, {}, {}),
             Catch::Contains("certificate-authority-data: has no certificate"));
  CHECK_THAT(failure_of({{}, file}, {}, {}),
             Catch::Contains("certificate-authority " + file + ": has no certificate"));
  CHECK_THAT(failure_of({}, {"nonsense", {}}, {key, {}}),
             Catch::Contains("client-certificate-data: "));
  CHECK_THAT(failure_of({}, {{}, file}, {key, {}}),
             Catch::Contains("client-certificate " + file + ": "));
  CHECK_THAT(failure_of({}, {certificate, {}}, {test::make_authority().key, {}}),
             Catch::Contains("client-key-data: key values mismatch"));
  CHECK_THAT(failure_of({}, {certificate, {}}, {{}, file}),
             Catch::Contains("client-key " + file + ": "));
}

TEST_CASE("transport: an encrypted client key is refused with its file, not asked for",
          "[k8sclient][transport]") {
  const auto form = GENERATE(test::KeyForm::kPkcs8, test::KeyForm::kTraditional);
  const test::TemporaryFolder folder;
  const auto file = folder.write("proxy.key", test::encrypted(authority(), form, "secret"));

  CHECK(failure({.url = "https://127.0.0.1:1",
                 .client_certificate = {authority().certificate, {}},
                 .client_key = {{}, file}}) ==
        "GET /api/v1/services: client-key " + file.string() +
            ": is encrypted; it must be a key without a passphrase");
}

TEST_CASE("transport: a server that offers no more than TLS 1.1 is refused, and told apart",
          "[k8sclient][transport]") {
  const FakeApi api(
      {.certificate = test::issue(authority(), "IP:127.0.0.1"), .newest_tls = test::Tls::k1_1});

  CHECK_THAT(failure({.url = api.url(), .ca = {authority().certificate, {}}}),
             Catch::Contains("no secure connection: ") &&
                 Catch::Contains("\"protocol version\" (TLS 1.2 or newer is needed)"));
}

TEST_CASE("transport: a server that refuses our certificate says so", "[k8sclient][transport]") {
  const FakeApi api({.certificate = test::issue(authority(), "IP:127.0.0.1"),
                     .client_authority = authority().certificate,
                     .newest_tls = test::Tls::k1_2});

  CHECK_THAT(failure({.url = api.url(), .ca = {authority().certificate, {}}}),
             Catch::Contains("no secure connection: the server sent the TLS alert"));
}
