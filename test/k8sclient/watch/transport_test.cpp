#include "k8sclient/watch/transport.h"

#include <atomic>
#include <thread>

#include <catch2/catch.hpp>

#include "test/support/failure.h"
#include "test/support/fake_api.h"
#include "test/support/temporary_folder.h"

using k8sclient::ApiError;
using k8sclient::ApiServer;
using k8sclient::Encoding;
using k8sclient::make_transport;
using k8sclient::Stopped;
using k8sclient::TooLarge;
using k8sclient::TransportError;
using test::failure;
using test::FakeApi;
using test::Fault;
using test::HttpConnection;
using test::HttpRequest;
using test::HttpServer;

namespace {

constexpr auto kServices = test::kFailurePath;

// A server that answers each request with {} and remembers the last one.
struct Recorder {
  std::mutex mutex;
  HttpRequest last;
  HttpServer server{{}, [this](const HttpRequest& request, HttpConnection& connection, auto) {
                      const std::lock_guard lock(mutex);
                      last = request;
                      connection.answer(200, "application/json", "{}");
                      return true;
                    }};
};

}  // namespace

TEST_CASE("transport: a request carries path, user agent and token", "[k8sclient][transport]") {
  Recorder recorder;
  const auto transport =
      make_transport({.url = recorder.server.url() + "/prefix", .token = "secret"}, "agent/1");

  CHECK(transport->get("/api/v1/nodes?fieldSelector=metadata.name%3Dn1", {}) == "{}");

  CHECK(recorder.last.method == "GET");
  CHECK(recorder.last.path == "/prefix/api/v1/nodes");
  CHECK(recorder.last.query.at("fieldSelector") == "metadata.name=n1");
  CHECK(recorder.last.headers.at("user-agent") == "agent/1");
  CHECK(recorder.last.headers.at("accept") == "application/json");
  CHECK(recorder.last.headers.at("authorization") == "Bearer secret");
}

TEST_CASE("transport: a patch is a merge patch", "[k8sclient][transport]") {
  Recorder recorder;

  make_transport({.url = recorder.server.url()}, "test")->patch("/x", R"({"a":null})", {});

  CHECK(recorder.last.method == "PATCH");
  CHECK(recorder.last.headers.at("content-type") == "application/merge-patch+json");
  CHECK(recorder.last.body == R"({"a":null})");
}

TEST_CASE("transport: a post carries its JSON", "[k8sclient][transport]") {
  Recorder recorder;

  CHECK(make_transport({.url = recorder.server.url()}, "test")->post("/x", R"({"a":1})", {}) ==
        "{}");

  CHECK(recorder.last.method == "POST");
  CHECK(recorder.last.headers.at("content-type") == "application/json");
  CHECK(recorder.last.body == R"({"a":1})");
}

TEST_CASE("transport: each request is told with method, host and code, as client-go counts them",
          "[k8sclient][transport]") {
  FakeApi api;
  std::vector<std::string> told;
  const auto remember = [&](const k8sclient::RequestOutcome& outcome) {
    CHECK(outcome.took.count() > 0);
    told.push_back(outcome.method + " " + outcome.host + " " + outcome.code);
  };
  const auto transport = make_transport(
      {.url = api.url()}, "test", {.head = std::chrono::milliseconds(500)}, remember);

  transport->get(kServices, {});
  // Not a dropped connection: where that was used before, cpprestsdk may try again on its own.
  api.fail_next("services", {Fault::kUnavailable, Fault::kNoAnswer});
  CHECK_THROWS_AS(transport->get(kServices, {}), ApiError);
  CHECK_THROWS_AS(transport->get(kServices, {}), TransportError);
  CHECK_THROWS_AS(transport->post("/nowhere", "{}", {}), ApiError);

  const std::string host = api.url().substr(std::string("http://").size());
  CHECK(told == std::vector<std::string>{"GET " + host + " 200",
                                         "GET " + host + " 503",
                                         "GET " + host + " <error>",
                                         "POST " + host + " 404"});
}

TEST_CASE("transport: connections are used again", "[k8sclient][transport]") {
  FakeApi api;
  const auto transport = make_transport({.url = api.url()}, "test");

  for (int i = 0; i < 20; ++i) {
    transport->get(kServices, {});
  }

  CHECK(api.connections() < 20);
}

TEST_CASE("transport: a token file is read again while it rotates", "[k8sclient][transport]") {
  const test::TemporaryFolder folder;
  Recorder recorder;
  const auto file = folder.write("token", "first\n");
  const auto transport = make_transport({.url = recorder.server.url(), .token_file = file}, "test");
  const auto token_sent = [&] {
    transport->get("/x", {});
    return recorder.last.headers.at("authorization");
  };

  CHECK(token_sent() == "Bearer first");
  folder.write("token", "second");
  CHECK(token_sent() == "Bearer second");
  folder.write("token", "");
  CHECK(token_sent() == "Bearer second");
  std::filesystem::remove(file);
  CHECK(token_sent() == "Bearer second");
}

TEST_CASE("transport: a token that would break the request is refused", "[k8sclient][transport]") {
  CHECK(failure({.url = "http://127.0.0.1:1", .token = "a\r\nX-Other: b"}) ==
        "GET /api/v1/services: the token has blanks or characters that are not ASCII");
}

TEST_CASE("transport: an answer that is an error says status, reason and when to come back",
          "[k8sclient][transport]") {
  struct Row {
    Fault fault;
    int status;
    std::string reason;
    std::optional<std::chrono::seconds> retry_after;
    std::string message;
  };

  const auto row = GENERATE(values<Row>({
      {Fault::kTooManyRequests,
       429,
       "TooManyRequests",
       std::chrono::seconds(1),
       "GET /api/v1/services: 429 TooManyRequests: slow down"},
      {Fault::kGone,
       410,
       "Expired",
       std::nullopt,
       "GET /api/v1/services: 410 Expired: too old resource version"},
      {Fault::kBadGateway,
       502,
       "",
       std::nullopt,
       "GET /api/v1/services: 502 Status, with \"text/html\" instead of JSON"},
      {Fault::kHtml,
       200,
       "",
       std::nullopt,
       "GET /api/v1/services: 200 Status, with \"text/html; charset=utf-8\" instead of JSON"},
  }));
  FakeApi api;
  api.fail_next("services", {row.fault});

  try {
    make_transport({.url = api.url()}, "test")->get(kServices, {});
    FAIL("no error");
  } catch (const ApiError& error) {
    CHECK(error.what() == row.message);
    CHECK(error.status() == row.status);
    CHECK(error.reason() == row.reason);
    CHECK(error.retry_after() == row.retry_after);
  }
}

TEST_CASE("transport: no answer, a broken and a silent one are errors", "[k8sclient][transport]") {
  FakeApi api;
  const auto transport = make_transport(
      {.url = api.url()},
      "test",
      {.head = std::chrono::milliseconds(200), .silence = std::chrono::milliseconds(200)});
  const auto failure_of = [&](Fault fault) {
    api.fail_next("services", {fault});
    try {
      transport->get(kServices, {});
      return std::string("none");
    } catch (const TransportError& error) {
      return std::string(error.what());
    }
  };

  CHECK(failure_of(Fault::kNoAnswer) == "GET /api/v1/services: no answer within 200 ms");
  CHECK(failure_of(Fault::kSilence) == "GET /api/v1/services: not a byte within 200 ms");
  CHECK_THAT(failure_of(Fault::kDropped), Catch::Contains("closed instead of an answer"));
  CHECK_THAT(failure_of(Fault::kCutObject), Catch::Contains("broke off in the middle"));
  CHECK_THAT(failure({.url = "http://127.0.0.1:1"}), Catch::Contains("cannot connect"));
  CHECK_THAT(failure({.url = "http://name.invalid:1"}), Catch::Contains("cannot resolve"));
}

TEST_CASE("transport: a watch hands over each line the moment it is complete",
          "[k8sclient][transport]") {
  std::atomic<int> lines_seen = 0;
  const HttpServer server({}, [&](auto&, HttpConnection& connection, std::stop_token) {
    connection.start_chunks();
    connection.chunk("one\ntwo");
    while (lines_seen < 1) {
      std::this_thread::yield();
    }
    connection.chunk(" and a half\n");
    while (lines_seen < 2) {
      std::this_thread::yield();
    }
    connection.chunk("rest");
    connection.end_chunks();
    return false;
  });
  std::vector<std::string> lines;

  make_transport({.url = server.url()}, "test")
      ->watch({"/x"},
              [&](std::string_view line, Encoding) {
                lines.emplace_back(line);
                ++lines_seen;
              },
              {});

  CHECK(lines == std::vector<std::string>{"one", "two and a half", "rest"});
}

TEST_CASE("transport: a line that is too long ends the watch", "[k8sclient][transport]") {
  FakeApi api;
  api.fail_next("services", {Fault::kHugeObject});

  CHECK_THROWS_AS(
      make_transport({.url = api.url()}, "test", {.line_bytes = 1 << 20})
          ->watch({"/api/v1/services?watch=true"}, [](std::string_view, Encoding) {}, {}),
      TooLarge);
}

TEST_CASE("transport: text is taken where it is asked for, and only there",
          "[k8sclient][transport]") {
  const HttpServer server({}, [](const HttpRequest& request, HttpConnection& connection, auto) {
    connection.answer(
        200, request.path == "/metrics" ? "text/plain; version=0.0.4" : "text/html", "a 1");
    return true;
  });
  const auto transport = make_transport({.url = server.url()}, "test");

  CHECK(transport->get_text("/metrics", {}) == "a 1");
  CHECK_THROWS_WITH(transport->get_text("/x", {}),
                    Catch::Contains("with \"text/html\" instead of text"));
  CHECK_THROWS_WITH(transport->get("/metrics", {}), Catch::Contains("instead of JSON"));
}

TEST_CASE("transport: an answer that is too long is refused", "[k8sclient][transport]") {
  FakeApi api;
  api.fail_next("services", {Fault::kHugeObject});

  CHECK_THROWS_AS(
      make_transport({.url = api.url()}, "test", {.body_bytes = 1000})->get(kServices, {}),
      TooLarge);
}

TEST_CASE("transport: a slow reader holds the server up instead of filling memory",
          "[k8sclient][transport]") {
  std::atomic<int> written = 0;
  const HttpServer server({}, [&](auto&, HttpConnection& connection, std::stop_token) {
    connection.start_chunks();
    for (int i = 0; i < 100; ++i) {
      connection.chunk(std::string(1 << 20, 'x') + "\n");
      ++written;
    }
    connection.end_chunks();
    return false;
  });
  int lines = 0;
  int ahead = 0;

  make_transport({.url = server.url()}, "test")
      ->watch({"/x"},
              [&](std::string_view, Encoding) {
                ++lines;
                ahead = std::max(ahead, written - lines);
              },
              {});

  CHECK(lines == 100);
  CHECK(ahead < 50);  // what buffers of sockets hold
}

TEST_CASE("transport: stop ends a request wherever it is", "[k8sclient][transport]") {
  const auto fault = GENERATE(Fault::kNoAnswer, Fault::kSilence);
  FakeApi api;
  api.fail_next("services", {fault});
  const auto transport = make_transport({.url = api.url()}, "test");
  std::stop_source stop;
  std::jthread stopper([&] {
    while (api.requests().empty()) {
      std::this_thread::yield();
    }
    stop.request_stop();
  });

  CHECK_THROWS_AS(transport->get(kServices, stop.get_token()), Stopped);
}

TEST_CASE("transport: a proxy is asked for the server", "[k8sclient][transport]") {
  std::mutex mutex;
  HttpRequest last;
  const HttpServer proxy({}, [&](const HttpRequest& request, HttpConnection& connection, auto) {
    const std::lock_guard lock(mutex);
    last = request;
    connection.answer(request.method == "CONNECT" ? 403 : 200, "application/json", "{}");
    return true;
  });
  const auto proxy_url = "http://me:pass@" + proxy.url().substr(7);

  CHECK(failure({.url = "http://api:8080", .proxy_url = proxy_url}) == "");
  CHECK(last.path == "http://api:8080/api/v1/services");
  CHECK(last.headers.at("proxy-authorization") == "Basic bWU6cGFzcw==");
  CHECK_THAT(failure({.url = "https://api:6443", .proxy_url = proxy_url}),
             Catch::Contains("Expected a 200 response from proxy, received: 403"));
  CHECK(last.path == "api:6443");
  CHECK_THROWS_WITH(make_transport({.url = "http://x", .proxy_url = "socks5://x:1"}, ""),
                    "proxy-url socks5://x:1 must start with http://");
  CHECK_THROWS_WITH(make_transport({.url = "http://x", .proxy_url = "socks5://me:pass@x:1"}, ""),
                    "proxy-url socks5://…@x:1 must start with http://");
  CHECK_THROWS_WITH(make_transport({.url = "http://x", .proxy_url = "http://me:p%ss@w@x:1"}, ""),
                    "proxy-url http://…@x:1 is no valid URL");
}

TEST_CASE("transport: an address that makes no sense is refused", "[k8sclient][transport]") {
  CHECK_THROWS_WITH(make_transport({.url = "https://"}, ""), "server https:// has no host");
  CHECK_THROWS_WITH(make_transport({.url = "https://a b"}, ""),
                    "server https://a b is no valid URL");
}
