#include "k8sclient/identity/exec_plugin.h"

#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "k8sclient/base/base64.h"
#include "k8sclient/base/process.h"
#include "k8sclient/base/rfc3339.h"
#include "k8sclient/errors.h"
#include "k8sclient/objects/json.h"
#include "k8sclient/objects/json_text.h"
#include "k8sclient/objects/quote.h"

namespace k8sclient {

namespace {

constexpr std::size_t kMaxAnswer = 1U << 20U;

std::string json_text(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

// Value of KUBERNETES_EXEC_INFO: the request to which the plugin's output is the answer.
std::string exec_info(const ApiServer& server) {
  std::string spec = R"("interactive":false)";
  if (server.exec->provide_cluster_info) {
    spec += fmt::format(R"(,"cluster":{{"server":{},"insecure-skip-tls-verify":{})",
                        json_text(server.url),
                        server.insecure_skip_tls_verify);
    const std::string ca = load_pem(server.ca);
    for (const auto& [key, value] : {std::pair{"tls-server-name", server.tls_server_name},
                                     std::pair{"proxy-url", server.proxy_url},
                                     std::pair{"certificate-authority-data", encode_base64(ca)}}) {
      if (!value.empty()) {
        spec += fmt::format(",\"{}\":{}", key, json_text(value));
      }
    }
    spec += "}";
  }
  return fmt::format(R"({{"apiVersion":{},"kind":"ExecCredential","spec":{{{}}}}})",
                     json_text(server.exec->api_version),
                     spec);
}

// The end of what a plugin complained, as one line.
std::string last_words(std::string text) {
  constexpr std::size_t kLongest = 200;
  text.erase(text.find_last_not_of(" \r\n") + 1);
  if (text.size() > kLongest) {
    text.erase(0, text.size() - kLongest);
  }
  return text.empty() ? text : ": " + in_quotes(text);
}

std::chrono::sys_seconds read_time(const Json& value) {
  const auto time = parse_rfc3339_seconds(value.text());
  if (!time) {
    value.fail(in_quotes(value.text()) + " is not a time as in RFC 3339");
  }
  return *time;
}

ExecCredential read_status(const Json& status) {
  ExecCredential credential;
  status.fields([&](std::string_view key, const Json& value) {
    if (key == "token") {
      credential.token = value.text();
    } else if (key == "clientCertificateData") {
      credential.client_certificate = value.raw_text();
    } else if (key == "clientKeyData") {
      credential.client_key = value.raw_text();
    } else if (key == "expirationTimestamp") {
      credential.expires = read_time(value);
    }
  });
  if (credential.token.empty() && credential.client_certificate.empty()) {
    status.fail("has neither token nor clientCertificateData");
  }
  if (credential.client_certificate.empty() != credential.client_key.empty()) {
    status.fail("has only one of clientCertificateData and clientKeyData");
  }
  return credential;
}

}  // namespace

ExecCredential decode_exec_credential(std::string_view json, std::string_view api_version) {
  try {
    const JsonDocument document(json);
    std::optional<ExecCredential> credential;
    document.root().fields([&](std::string_view key, const Json& value) {
      if (key == "kind" && value.text() != "ExecCredential") {
        value.fail("expected ExecCredential, found " + in_quotes(value.text()));
      } else if (key == "apiVersion" && value.text() != api_version) {
        value.fail(fmt::format("expected {}, found {}", api_version, in_quotes(value.text())));
      } else if (key == "status") {
        credential = read_status(value);
      }
    });
    if (!credential) {
      document.root().fail("status is missing");
    }
    return std::move(*credential);
  } catch (const FieldError& error) {
    throw TransportError(
        fmt::format("{}{}{}", error.path, error.path.empty() ? "" : ": ", error.reason));
  }
}

ExecCredential run_exec_plugin(const ApiServer& server,
                               std::stop_token stop,
                               std::chrono::milliseconds limit) {
  const ExecPlugin& plugin = *server.exec;
  std::vector<std::string> command{plugin.command};
  command.insert(command.end(), plugin.arguments.begin(), plugin.arguments.end());
  auto environment = plugin.environment;
  environment.emplace_back("KUBERNETES_EXEC_INFO", exec_info(server));
  try {
    const ProcessResult result = run({.argv = command,
                                      .deadline = limit,
                                      .environment = std::move(environment),
                                      .max_output = kMaxAnswer,
                                      .stop = std::move(stop)});
    if (result.status == ProcessResult::kTimedOut) {
      throw TransportError(fmt::format("does not end within {} ms", limit.count()));
    }
    if (result.status != 0) {
      throw TransportError(
          fmt::format("exited with status {}{}", result.status, last_words(result.error)));
    }
    return decode_exec_credential(result.output, plugin.api_version);
  } catch (const std::system_error& error) {
    throw TransportError(
        fmt::format("credential plugin {}: {}{}",
                    plugin.command,
                    error.what(),
                    plugin.install_hint.empty() ? "" : last_words(plugin.install_hint)));
  } catch (const TransportError& error) {
    throw TransportError(fmt::format("credential plugin {}: {}", plugin.command, error.what()));
  }
}

}  // namespace k8sclient
