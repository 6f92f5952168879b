#include "k8sclient/identity/credentials.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include <fmt/format.h>

#include "k8sclient/errors.h"
#include "k8sclient/objects/trim.h"

namespace k8sclient {

namespace {

// A plugin is asked again this long before its answer expires.
constexpr std::chrono::seconds kEarly{30};

std::optional<std::string> read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  return stream ? std::optional(std::move(text)) : std::nullopt;
}

// It becomes a line of the request.
void check_token(std::string_view token) {
  if (std::any_of(token.begin(), token.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    throw TransportError("the token has blanks or characters that are not ASCII");
  }
}

// What a kubeconfig calls it. Credential plugins give certificates, too.
std::string name_of(const Pem& pem, std::string_view key) {
  if (pem.empty()) {
    return fmt::format("{} of the credential plugin", key);
  }
  return pem.file.empty() ? fmt::format("{}-data", key)
                          : fmt::format("{} {}", key, pem.file.string());
}

}  // namespace

IdentityNames names_of(const ApiServer& server) {
  return {.ca = name_of(server.ca, "certificate-authority"),
          .client_certificate = name_of(server.client_certificate, "client-certificate"),
          .client_key = name_of(server.client_key, "client-key")};
}

std::string load_pem(const Pem& pem) {
  if (!pem.text.empty() || pem.file.empty()) {
    return pem.text;
  }
  auto text = read_file(pem.file);
  if (!text) {
    throw TransportError(fmt::format("cannot read {}", pem.file.string()));
  }
  return std::move(*text);
}

Identity Credentials::current(std::stop_token stop) {
  const std::lock_guard lock(mutex_);
  Identity identity{.ca = load_pem(server_.ca),
                    .client_certificate = load_pem(server_.client_certificate),
                    .client_key = load_pem(server_.client_key),
                    .token = server_.token};
  if (!server_.token_file.empty()) {
    if (std::string token(trimmed(read_file(server_.token_file).value_or(""), " \t\r\n"));
        !token.empty()) {
      last_token_ = std::move(token);
    }
    if (last_token_.empty() && server_.token.empty()) {
      throw TransportError(fmt::format("no token in {}", server_.token_file.string()));
    }
    if (!last_token_.empty()) {
      identity.token = last_token_;
    }
  }
  if (server_.exec) {
    const ExecCredential& exec = exec_credential(std::move(stop));
    identity.token = exec.token;
    if (!exec.client_certificate.empty()) {
      identity.client_certificate = exec.client_certificate;
      identity.client_key = exec.client_key;
    }
  }
  check_token(identity.token);
  return identity;
}

const ExecCredential& Credentials::exec_credential(std::stop_token stop) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  if (!exec_ || (exec_->expires && now + kEarly >= *exec_->expires)) {
    exec_ = run_exec_plugin(server_, std::move(stop));
  }
  return *exec_;
}

// All watches are refused at the same moment; the answer that the first of them asked for is not
// to be thrown away by the others.
void Credentials::refused(const Identity& identity) {
  const std::lock_guard lock(mutex_);
  if (exec_ && exec_->token == identity.token &&
      (exec_->client_certificate.empty() ||
       exec_->client_certificate == identity.client_certificate)) {
    exec_.reset();
  }
}

}  // namespace k8sclient
