#include "k8sclient/watch/transport.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <cpprest/http_client.h>
#include <fmt/format.h>
#include <pplx/threadpool.h>

#include "k8sclient/base/line_splitter.h"
#include "k8sclient/base/mutex.h"
#include "k8sclient/identity/credentials.h"
#include "k8sclient/identity/tls.h"
#include "k8sclient/objects/api_status.h"
#include "k8sclient/objects/quote.h"
#include "k8sclient/watch/exchange.h"
#include "k8sclient/watch/frame_splitter.h"
#include "k8sclient/watch/server_url.h"

namespace k8sclient {

namespace {

namespace http = web::http;

constexpr auto kJson = "application/json";
constexpr auto kTextPlain = "text/plain";
constexpr auto kProtobuf = "application/vnd.kubernetes.protobuf";
constexpr auto kProtobufOrJson = "application/vnd.kubernetes.protobuf,application/json";

// cpprestsdk starts 40 threads by default; all they do here is to move bytes. If something else has
// started the pool already, its size stands.
void size_thread_pool() {
  static std::once_flag once;
  std::call_once(once, [] {
    try {
      crossplat::threadpool::initialize_with_threads(3);
    } catch (const std::exception&) {
    }
  });
}

class HttpTransport : public Transport {
 public:
  HttpTransport(ApiServer server,
                std::string user_agent,
                TransportLimits limits,
                OnRequest on_request)
      : server_(std::move(server)),
        user_agent_(std::move(user_agent)),
        limits_(limits),
        on_request_(std::move(on_request)),
        url_(parse_url(server_.url, "server")),
        credentials_(server_) {
    size_thread_pool();
    if (!server_.proxy_url.empty()) {
      proxy_ = parse_proxy(server_.proxy_url);
    }
  }

  void read(const ReadRequest& request, const OnBytes& on_bytes, std::stop_token stop) override {
    exchange(get_request(request), std::move(stop), on_bytes);
  }

  std::string get(const std::string& path, std::stop_token stop) override {
    return whole({.path = path}, std::move(stop));
  }

  std::string get_text(const std::string& path, std::stop_token stop) override {
    return whole({.path = path, .media_type = kTextPlain}, std::move(stop));
  }

  std::string post(const std::string& path,
                   const std::string& json,
                   std::stop_token stop) override {
    return whole({.method = "POST", .path = path, .json = json}, std::move(stop));
  }

  std::string patch(const std::string& path,
                    const std::string& json,
                    std::stop_token stop) override {
    return whole({.method = "PATCH",
                  .path = path,
                  .json = json,
                  .json_type = "application/merge-patch+json"},
                 std::move(stop));
  }

  void watch(const ReadRequest& request, const OnBytes& on_event, std::stop_token stop) override {
    LineSplitter lines(limits_.line_bytes);
    FrameSplitter frames(limits_.line_bytes);
    exchange(get_request(request), std::move(stop), [&](std::string_view bytes, Encoding encoding) {
      const auto on_one = [&](std::string_view event) { on_event(event, encoding); };
      encoding == Encoding::kJson ? lines.feed(bytes, on_one) : frames.feed(bytes, on_one);
    });
    if (!lines.rest().empty()) {
      on_event(lines.rest(), Encoding::kJson);
    }
    if (!frames.is_complete()) {
      throw Interrupted(fmt::format("GET {}: the answer ended in the middle of an event",
                                    bare_path(request.path)));
    }
  }

 private:
  struct Request {
    std::string method = "GET";
    std::string path;
    std::string json = {};  // the body; none if empty
    std::string json_type = kJson;
    std::string media_type = kJson;  // of the answer, as Accept says it
  };

  static Request get_request(const ReadRequest& wanted) {
    return {.path = wanted.path,
            .media_type = wanted.wanted == Encoding::kProtobuf ? kProtobufOrJson : kJson};
  }

  // For messages; the query is long and says little.
  static std::string_view bare_path(std::string_view path) {
    return path.substr(0, path.find('?'));
  }

  static std::string name_of(const Request& request) {
    return fmt::format("{} {}", request.method, bare_path(request.path));
  }

  /// A client, of one exchange at a time.
  struct Lane {
    Identity identity;  // that it was made with, the token aside
    std::shared_ptr<TlsPolicy> tls;
    std::optional<Client> client;
  };

  bool is_tls() const { return url_.scheme() == "https"; }

  const std::string tls_name() const {
    return server_.tls_server_name.empty() ? bare_host(url_) : server_.tls_server_name;
  }

  std::string whole(const Request& request, std::stop_token stop) {
    std::string body;
    exchange(request, std::move(stop), [&](std::string_view bytes, Encoding) {
      if (body.size() + bytes.size() > limits_.body_bytes) {
        throw TooLarge(fmt::format("the answer is longer than {} bytes", limits_.body_bytes));
      }
      body.append(bytes);
    });
    return body;
  }

  // One request; the bytes of a good answer go to `sink` as they arrive.
  void exchange(const Request& request, std::stop_token stop, const OnBytes& sink) {
    const std::string& method = request.method;
    const std::string what = name_of(request);
    try {
      const Identity identity = credentials_.current(stop);
      const auto lane = take_lane(identity);
      Exchange exchange(
          *lane->client, make_request(request, identity.token), limits_.unwritten_bytes);
      const auto start = BodyBuffer::Clock::now();
      try {
        await_head(exchange, *lane, start + limits_.head, stop);
      } catch (const TransportError&) {
        tell(method, "<error>", start);
        throw;
      }
      tell(method, std::to_string(exchange.response().status_code()), start);
      if (exchange.response().status_code() / 100 != 2 || !is_wanted(request, exchange)) {
        refuse(request, identity, exchange, stop);
      }
      drain(exchange, stop, sink);
    } catch (const TooLarge& error) {
      throw TooLarge(fmt::format("{}: {}", what, error.what()));
    } catch (const TooSilent& error) {
      throw TooSilent(fmt::format("{}: {}", what, error.what()));
    } catch (const Interrupted& error) {
      throw Interrupted(fmt::format("{}: {}", what, error.what()));
    } catch (const TransportError& error) {
      throw TransportError(fmt::format("{}: {}", what, error.what()));
    } catch (const http::http_exception& error) {
      throw TransportError(fmt::format("{}: {}", what, error.what()));
    }
  }

  static Encoding encoding_of(const Exchange& exchange) {
    const std::string type = exchange.response().headers().content_type();
    return type.starts_with(kProtobuf) ? Encoding::kProtobuf : Encoding::kJson;
  }

  static bool is_wanted(const Request& request, const Exchange& exchange) {
    return request.media_type == kProtobufOrJson
               ? is_of(exchange.response(), kProtobuf) || is_of(exchange.response(), kJson)
               : is_of(exchange.response(), request.media_type);
  }

  void await_head(Exchange& exchange,
                  const Lane& lane,
                  BodyBuffer::Clock::time_point give_up_at,
                  const std::stop_token& stop) const {
    const auto interruption = exchange.body().wait_for_head(give_up_at, stop);
    if (interruption == Interruption::kStopped) {
      throw Stopped();
    }
    if (interruption == Interruption::kTooSilent) {
      throw TransportError(too_long("no answer", limits_.head));
    }
    if (exchange.body().is_finished() && !exchange.body().error().empty()) {
      throw_if_flooded(exchange.body());
      const std::string refusal = lane.tls ? lane.tls->take_refusal() : "";
      throw TransportError(exchange.body().error() + (refusal.empty() ? "" : ": ") + refusal);
    }
  }

  static void throw_if_flooded(const BodyBuffer& body) {
    if (body.is_flooded()) {
      throw TooLarge(body.error());
    }
  }

  void tell(const std::string& method,
            std::string code,
            BodyBuffer::Clock::time_point start) const {
    if (on_request_) {
      const std::string port = url_.is_port_default() ? "" : fmt::format(":{}", url_.port());
      on_request_({method, url_.host() + port, std::move(code), BodyBuffer::Clock::now() - start});
    }
  }

  static std::string too_long(std::string_view what, std::chrono::milliseconds limit) {
    return fmt::format("{} within {} ms", what, limit.count());
  }

  void drain(Exchange& exchange, const std::stop_token& stop, const OnBytes& sink) const {
    BodyBuffer& body = exchange.body();
    const Encoding encoding = encoding_of(exchange);
    while (true) {
      const auto give_up_at = BodyBuffer::Clock::now() + limits_.silence;
      const auto interruption = body.wait_for_bytes(give_up_at, stop);
      if (interruption == Interruption::kStopped) {
        throw Stopped();
      }
      if (interruption == Interruption::kTooSilent) {
        throw TooSilent(too_long("not a byte", limits_.silence));
      }
      const bool is_finished = body.is_finished();  // first, so that no byte comes in between
      const std::string bytes = body.take();
      if (!bytes.empty()) {
        sink(bytes, encoding);
      } else if (is_finished && !body.error().empty()) {
        throw_if_flooded(body);
        throw Interrupted(body.error());
      } else if (is_finished) {
        return;
      }
    }
  }

  [[noreturn]] void refuse(const Request& request,
                           const Identity& identity,
                           Exchange& exchange,
                           const std::stop_token& stop) {
    const std::string what = name_of(request);
    constexpr std::size_t kEnough = 64U << 10U;
    const int status = exchange.response().status_code();
    if (status == http::status_codes::Unauthorized) {
      credentials_.refused(identity);
    }
    std::string body;
    try {
      drain(exchange, stop, [&](std::string_view bytes, Encoding) {
        body.append(bytes.substr(0, kEnough - body.size()));
        if (body.size() == kEnough) {
          throw TransportError("long enough");
        }
      });
    } catch (const TransportError&) {
      // What is there must do as an explanation.
    }
    auto wait = retry_after(exchange.response());
    if (const auto explained = decode_status(body, encoding_of(exchange))) {
      if (!wait && explained->retry_after_seconds) {
        wait = std::chrono::seconds(*explained->retry_after_seconds);
      }
      throw ApiError(
          fmt::format("{}: {} {}: {}", what, status, explained->reason, explained->message),
          status,
          explained->reason,
          wait);
    }
    throw ApiError(fmt::format("{}: {} {}, with {} instead of {}",
                               what,
                               status,
                               exchange.response().reason_phrase(),
                               in_quotes(exchange.response().headers().content_type()),
                               request.media_type == kTextPlain ? "text" : "JSON"),
                   status,
                   {},
                   wait);
  }

  http::http_request make_request(const Request& wanted, const std::string& token) const {
    http::http_request request(wanted.method);
    request.set_request_uri(web::uri(wanted.path));
    auto& headers = request.headers();
    headers.add("User-Agent", user_agent_);
    headers.add("Accept", wanted.media_type);
    if (!token.empty()) {
      headers.add("Authorization", "Bearer " + token);
    }
    if (is_tls() && !server_.tls_server_name.empty()) {
      headers.add("Host", server_.tls_server_name);  // from which cpprestsdk takes the SNI
    } else if (url_.host().starts_with('[')) {
      headers.add("Host", fmt::format("{}:{}", url_.host(), url_.port()));
    }
    if (!wanted.json.empty()) {
      request.set_body(wanted.json, wanted.json_type);
    }
    return request;
  }

  // Connections are kept as long as certificates stay the same. The lane is given back when nobody
  // has it any more.
  std::shared_ptr<const Lane> take_lane(Identity identity) {
    identity.token.clear();
    std::unique_ptr<Lane> lane;
    {
      const MutexLock lock(mutex_);
      std::erase_if(idle_, [&](const auto& idle) { return idle->identity != identity; });
      if (!idle_.empty()) {
        lane = std::move(idle_.back());
        idle_.pop_back();
      }
    }
    if (!lane) {
      lane = std::make_unique<Lane>(make_lane(identity));
    }
    return {lane.release(), [this](Lane* used) {
              const MutexLock lock(mutex_);
              idle_.emplace_back(used);
            }};
  }

  Lane make_lane(const Identity& identity) const {
    Lane lane{.identity = identity};
    http::client::http_client_config config;
    // Ours are the deadlines that count. Infinity is not on offer.
    config.set_timeout(std::chrono::hours(24));
    config.set_max_redirects(0);
    if (proxy_) {
      config.set_proxy(*proxy_);
    }
    lane.client.emplace([&](const TlsPolicy::OnBytes& on_bytes) {
      if (is_tls()) {
        lane.tls = TlsPolicy::make(identity, tls_name(), names_of(server_), on_bytes);
        config.set_validate_certificates(!server_.insecure_skip_tls_verify);
        config.set_tlsext_sni_enabled(!is_ip_address(tls_name()));
        config.set_ssl_context_callback(
            [tls = lane.tls](boost::asio::ssl::context& context) { tls->apply(context); });
      }
      return std::make_shared<http::client::http_client>(without_brackets(url_), config);
    });
    return lane;
  }

  const ApiServer server_;
  const std::string user_agent_;
  const TransportLimits limits_;
  const OnRequest on_request_;
  const web::uri url_;
  std::optional<web::web_proxy> proxy_;
  Credentials credentials_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Lane>> idle_ GUARDED_BY(mutex_);  // the last was used last
};

}  // namespace

std::unique_ptr<Transport> make_transport(ApiServer server,
                                          std::string user_agent,
                                          TransportLimits limits,
                                          OnRequest on_request) {
  return std::make_unique<HttpTransport>(
      std::move(server), std::move(user_agent), limits, std::move(on_request));
}

}  // namespace k8sclient
