#include "test/support/http_server.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>
#include <utility>

#include <fmt/format.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

namespace test {

namespace {

using SslContext = std::shared_ptr<SSL_CTX>;

std::unique_ptr<BIO, decltype(&::BIO_free)> open_pem(const std::string& pem) {
  return {::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), ::BIO_free};
}

void limit_tls(SSL_CTX* context, Tls newest) {
  constexpr int kVersions[] = {TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
  ::SSL_CTX_set_security_level(context, 0);  // others forbid 1.1
  ::SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  ::SSL_CTX_set_max_proto_version(context, kVersions[static_cast<int>(newest)]);
}

SslContext make_tls(const HttpServerOptions& options) {
  if (!options.certificate) {
    return nullptr;
  }
  SslContext context(::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free);
  limit_tls(context.get(), options.newest_tls);
  X509* certificate = ::PEM_read_bio_X509(
      open_pem(options.certificate->certificate).get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key = ::PEM_read_bio_PrivateKey(
      open_pem(options.certificate->key).get(), nullptr, nullptr, nullptr);
  ::SSL_CTX_use_certificate(context.get(), certificate);
  ::SSL_CTX_use_PrivateKey(context.get(), key);
  ::X509_free(certificate);
  ::EVP_PKEY_free(key);
  if (options.client_authority) {
    X509* authority =
        ::PEM_read_bio_X509(open_pem(*options.client_authority).get(), nullptr, nullptr, nullptr);
    ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context.get()), authority);
    ::X509_free(authority);
    ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  }
  return context;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The part before the separator; the text keeps what is behind it.
std::string_view cut(std::string_view& text, std::string_view separator) {
  const auto end = text.find(separator);
  const auto part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + separator.size());
  return part;
}

HttpRequest parse_head(std::string_view head) {
  HttpRequest request;
  request.method = cut(head, " ");
  std::string_view target = cut(head, " ");
  cut(head, "\r\n");
  request.path = percent_decoded(cut(target, "?"));
  while (!target.empty()) {
    std::string_view value = cut(target, "&");
    const std::string_view key = cut(value, "=");
    request.query[percent_decoded(key)] = percent_decoded(value);
  }
  while (!head.empty()) {
    std::string_view value = cut(head, "\r\n");
    std::string key(cut(value, ":"));
    std::transform(key.begin(), key.end(), key.begin(), [](char c) {
      return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
    request.headers[key] = value;
  }
  return request;
}

class Connection : public HttpConnection {
 public:
  Connection(int socket, SSL_CTX* context) : socket_(socket), tls_(nullptr, ::SSL_free) {
    if (context != nullptr) {
      tls_.reset(::SSL_new(context));
      ::SSL_set_fd(tls_.get(), socket);
      is_good_ = ::SSL_accept(tls_.get()) == 1;
    }
  }

  void write(std::string_view bytes) override {
    while (is_good_ && !bytes.empty()) {
      const auto count = tls_
                             ? ::SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size()))
                             : ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      is_good_ = count > 0;
      bytes.remove_prefix(is_good_ ? static_cast<std::size_t>(count) : 0);
    }
  }

  bool is_closed() override {
    pollfd state{socket_, POLLRDHUP, 0};
    return !is_good_ || (::poll(&state, 1, 0) == 1 && state.revents != 0);
  }

  std::optional<HttpRequest> read_request() {
    std::size_t end = 0;
    while ((end = received_.find("\r\n\r\n")) == std::string::npos) {
      if (!receive()) {
        return std::nullopt;
      }
    }
    HttpRequest request = parse_head(std::string_view(received_).substr(0, end + 2));
    received_.erase(0, end + 4);
    const auto length = request.headers.find("content-length");
    const std::size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
    while (received_.size() < size) {
      if (!receive()) {
        return std::nullopt;
      }
    }
    request.body = received_.substr(0, size);
    received_.erase(0, size);
    request.arrived = std::chrono::steady_clock::now();
    request.client_name = client_name();
    return request;
  }

 private:
  std::string client_name() const {
    std::array<char, 256> name{};
    X509* certificate = tls_ ? ::SSL_get0_peer_certificate(tls_.get()) : nullptr;
    if (certificate != nullptr) {
      ::X509_NAME_get_text_by_NID(::X509_get_subject_name(certificate),
                                  NID_commonName,
                                  name.data(),
                                  static_cast<int>(name.size()));
    }
    return name.data();
  }

  bool receive() {
    std::array<char, 16384> buffer{};
    const auto count = !is_good_ ? -1
                       : tls_
                           ? ::SSL_read(tls_.get(), buffer.data(), static_cast<int>(buffer.size()))
                           : ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count > 0) {
      received_.append(buffer.data(), static_cast<std::size_t>(count));
    }
    return count > 0;
  }

  int socket_;
  std::unique_ptr<SSL, decltype(&::SSL_free)> tls_;
  bool is_good_ = true;
  std::string received_;
};

// Listens on a free port of loopback; the socket and the port.
std::pair<int, std::uint16_t> listen_on_loopback(bool is_ipv6) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_addr = in6addr_loopback;
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* address = is_ipv6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  socklen_t size = is_ipv6 ? sizeof v6 : sizeof v4;
  const int socket = ::socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(socket, address, size) != 0 || ::listen(socket, SOMAXCONN) != 0 ||
      ::getsockname(socket, address, &size) != 0) {
    throw std::runtime_error("cannot listen on loopback");
  }
  return {socket, ntohs(is_ipv6 ? v6.sin6_port : v4.sin_port)};
}

}  // namespace

void HttpConnection::answer(int status,
                            std::string_view type,
                            std::string_view body,
                            std::string_view more) {
  write(fmt::format("HTTP/1.1 {} Status\r\nContent-Type: {}\r\nContent-Length: {}\r\n{}\r\n{}",
                    status,
                    type,
                    body.size(),
                    more,
                    body));
}

void HttpConnection::start_chunks(std::string_view type) {
  write(fmt::format("HTTP/1.1 200 OK\r\nContent-Type: {}\r\nTransfer-Encoding: chunked\r\n\r\n",
                    type));
}

void HttpConnection::chunk(std::string_view bytes) {
  write(fmt::format("{:x}\r\n{}\r\n", bytes.size(), bytes));
}

HttpServer::HttpServer(HttpServerOptions options, Handler handler)
    : options_(std::move(options)), handler_(std::move(handler)), tls_(make_tls(options_)) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the client has closed
  std::tie(listener_, port_) = listen_on_loopback(options_.is_ipv6);
  accepter_ = std::jthread([this](const std::stop_token& stop) { accept_all(stop); });
}

HttpServer::~HttpServer() {
  accepter_.request_stop();
  ::shutdown(listener_, SHUT_RDWR);
  accepter_.join();
  ::close(listener_);
  for (Worker& worker : workers_) {
    worker.thread.request_stop();
  }
  const std::lock_guard lock(mutex_);
  for (const Worker& worker : workers_) {
    if (!worker.is_done) {
      ::shutdown(worker.socket, SHUT_RDWR);
    }
  }
}

std::string HttpServer::url() const {
  return fmt::format("{}://{}:{}",
                     options_.certificate ? "https" : "http",
                     options_.is_ipv6 ? "[::1]" : "127.0.0.1",
                     port_);
}

void HttpServer::present(const Certificate& certificate) {
  HttpServerOptions options = options_;
  options.certificate = certificate;
  const std::lock_guard lock(mutex_);
  tls_ = make_tls(options);
}

int HttpServer::connections() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

void HttpServer::accept_all(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      continue;
    }
    const std::lock_guard lock(mutex_);
    workers_.remove_if([](const Worker& worker) { return worker.is_done; });
    ++accepted_;
    Worker& worker = workers_.emplace_back();
    worker.socket = socket;
    worker.tls = tls_;
    worker.thread =
        std::jthread([this, &worker](const std::stop_token& stopping) { serve(worker, stopping); });
  }
}

void HttpServer::serve(Worker& worker, const std::stop_token& stop) {
  Connection connection(worker.socket, worker.tls.get());
  while (auto request = connection.read_request()) {
    if (!handler_(*request, connection, stop)) {
      break;
    }
  }
  const std::lock_guard lock(mutex_);
  ::close(worker.socket);
  worker.is_done = true;
}

}  // namespace test
