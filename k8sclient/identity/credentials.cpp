#include "k8sclient/identity/credentials.h"

#include <algorithm>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "k8sclient/base/file.h"
#include "k8sclient/errors.h"
#include "k8sclient/objects/trim.h"

namespace k8sclient {

namespace {

// A plugin is asked again this long before its answer expires.
constexpr std::chrono::seconds kEarly{30};

constexpr std::size_t kMaxToken = 1U << 20U;

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

Identity load_files(const ApiServer& server) {
  return {.ca = load_pem(server.ca),
          .client_certificate = load_pem(server.client_certificate),
          .client_key = load_pem(server.client_key),
          .token = {}};
}

// Files of one moment: a certificate from before they were replaced and a key from after that would
// not fit each other.
Identity load_files_of_one_moment(const ApiServer& server) {
  constexpr int kTries = 10;
  for (int i = 1;; ++i) {
    try {
      Identity files = load_files(server);
      if (i == kTries || files == load_files(server)) {
        return files;
      }
    } catch (const TransportError&) {
      if (i == kTries) {
        throw;
      }
    }
  }
}

}  // namespace

IdentityNames names_of(const ApiServer& server) {
  return {.ca = name_of(server.ca, "certificate-authority"),
          .client_certificate = name_of(server.client_certificate, "client-certificate"),
          .client_key = name_of(server.client_key, "client-key")};
}

Identity Credentials::current(std::stop_token stop) {
  Identity identity = load_files_of_one_moment(server_);
  identity.token = server_.token_file.empty() ? server_.token : token_from_file();
  if (server_.exec) {
    ExecCredential exec = exec_credential(stop);
    identity.token = std::move(exec.token);
    if (!exec.client_certificate.empty()) {
      identity.client_certificate = std::move(exec.client_certificate);
      identity.client_key = std::move(exec.client_key);
    }
  }
  check_token(identity.token);
  return identity;
}

std::string Credentials::token_from_file() {
  std::string token;
  try {
    token = trimmed(read_file(server_.token_file.string(), kMaxToken));
  } catch (const std::system_error&) {
    // The last one stays in use.
  }
  const MutexLock lock(mutex_);
  if (!token.empty()) {
    last_token_ = std::move(token);
  }
  if (last_token_.empty() && server_.token.empty()) {
    throw TransportError(fmt::format("no token in {}", server_.token_file.string()));
  }
  return last_token_.empty() ? server_.token : last_token_;
}

bool Credentials::has_valid_answer() const {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return exec_ && (!exec_->expires || now + kEarly < *exec_->expires);
}

ExecCredential Credentials::exec_credential(const std::stop_token& stop) {
  MutexLock lock(mutex_);
  const std::uint64_t runs = plugin_runs_;
  while (!has_valid_answer()) {
    if (!is_plugin_running_) {
      return ask_plugin(stop);
    }
    if (!plugin_ended_.wait(
            lock, stop, [this]() REQUIRES(mutex_) { return !is_plugin_running_; })) {
      throw Stopped();
    }
    if (plugin_runs_ != runs && !plugin_failure_.empty()) {
      throw TransportError(plugin_failure_);
    }
    if (plugin_runs_ != runs && exec_) {
      return *exec_;  // even if it has expired by now: so it would be for whoever asked
    }
  }
  return *exec_;
}

ExecCredential Credentials::ask_plugin(const std::stop_token& stop) {
  is_plugin_running_ = true;
  mutex_.unlock();
  std::optional<ExecCredential> answer;
  std::string failure;
  try {
    answer = run_exec_plugin(server_, stop);
  } catch (const Stopped&) {
    // The next caller asks again.
  } catch (const std::exception& error) {
    failure = error.what();
  }
  mutex_.lock();
  is_plugin_running_ = false;
  plugin_failure_ = failure;
  if (answer) {
    exec_ = answer;
  }
  plugin_runs_ += answer || !failure.empty() ? 1U : 0U;
  plugin_ended_.notify_all();
  if (!failure.empty()) {
    throw TransportError(failure);
  }
  if (!answer) {
    throw Stopped();
  }
  return std::move(*answer);
}

// All watches are refused at the same moment; the answer that the first of them asked for is not
// to be thrown away by the others.
void Credentials::refused(const Identity& identity) {
  const MutexLock lock(mutex_);
  if (exec_ && exec_->token == identity.token &&
      (exec_->client_certificate.empty() ||
       exec_->client_certificate == identity.client_certificate)) {
    exec_.reset();
  }
}

}  // namespace k8sclient
