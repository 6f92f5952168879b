#include "test/support/fake_api.h"
#include "test/support/fake_api_text.h"

namespace test {

namespace {

// More than any reader takes; of protobuf the length says so.
std::string huge_event(k8sclient::Encoding encoding) {
  std::string filler(20'000'000, 'x');
  if (encoding == k8sclient::Encoding::kJson) {
    return event("ADDED", "\"" + filler + "\"");
  }
  return filler.replace(0, 4, std::string_view("\1\x31\x2d\0", 4));
}

}  // namespace

// Faults in place of an answer.
bool FakeApi::fail(Fault fault,
                   Resource& resource,
                   HttpConnection& connection,
                   const std::stop_token& stop) {
  constexpr auto kJson = "application/json";
  constexpr auto kPage = "<!DOCTYPE html><html>\n<body>Log in</body></html>";
  switch (fault) {
    case Fault::kDropped:
      return false;
    case Fault::kHtml:
      connection.answer(200, "text/html; charset=utf-8", kPage);
      return true;
    case Fault::kBadGateway:
      connection.answer(502, "text/html", kPage);
      return true;
    case Fault::kTooManyRequests:
      connection.answer(
          429, kJson, status(429, "TooManyRequests", "slow down"), "Retry-After: 1\r\n");
      return true;
    case Fault::kUnavailable:
      connection.answer(503, kJson, status(503, "ServiceUnavailable", "starting"));
      return true;
    case Fault::kOverloaded:
      connection.answer(
          503, kJson, status(503, "ServiceUnavailable", "overloaded"), "Retry-After: 1\r\n");
      return true;
    case Fault::kUnauthorized:
      connection.answer(401, kJson, status(401, "Unauthorized", "Unauthorized"));
      return true;
    case Fault::kGone:
      connection.answer(410, kJson, status(410, "Expired", "too old resource version"));
      return true;
    case Fault::kNoAnswer:
      wait_for_end(connection, stop);
      return false;
    default:
      connection.start_chunks();
      return strike_watch(fault, {resource}, connection, stop);
  }
}

// Faults in the middle of a watch.
bool FakeApi::strike_watch(Fault fault,
                           const Subject& subject,
                           HttpConnection& connection,
                           const std::stop_token& stop) {
  const bool is_json = subject.encoding == k8sclient::Encoding::kJson;
  const std::string object =
      render(subject.resource, {"x", "struck"}, {.version = resource_version()});
  const auto send = [&](std::string_view type, std::string_view json) {
    connection.chunk(event(type, json, subject.encoding));
  };
  switch (fault) {
    case Fault::kSilence:
      wait_for_end(connection, stop);
      return false;
    case Fault::kCutObject:
      connection.chunk(event("ADDED", object, subject.encoding).substr(0, 60));
      return false;
    case Fault::kHalfLine:
      connection.chunk(event("ADDED", object, subject.encoding).substr(0, 60));
      break;
    case Fault::kGoneEvent:
      send("ERROR", status(410, "Expired", "too old resource version"));
      break;
    case Fault::kErrorEvent:
      send("ERROR", status(500, "InternalError", "etcdserver: no leader"));
      break;
    case Fault::kUnknownType:
      send("RENAMED", object);
      break;
    case Fault::kOtherKind:
      send("ADDED", R"({"kind":"Pod","apiVersion":"v1","metadata":{}})");
      break;
    case Fault::kInvalidJson:
      connection.chunk(is_json ? "{\"type\":\"ADDED\",\"object\":{nonsense}}\n"
                               : std::string("\0\0\0\3\x0a\x7f\x7f", 7));
      break;
    case Fault::kDuplicateKey:  // in protobuf the last one counts, here an unknown one
      connection.chunk(is_json ? event("ADDED", object).insert(1, "\"type\":\"DELETED\",")
                               : std::string("\0\0\0\3\x0a\1?", 7));
      break;
    case Fault::kHugeObject:
      connection.chunk(huge_event(subject.encoding));
      break;
    default:
      break;
  }
  connection.end_chunks();
  return true;
}

void FakeApi::wait_for_end(HttpConnection& connection, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested() && !connection.is_closed()) {
    changed_.wait_for(lock, stop, kTick, [] { return false; });
  }
}

}  // namespace test
