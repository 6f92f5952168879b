#pragma once

#include <string>
#include <vector>

#include "test/support/fake_api.h"

namespace test {

/// What the log says of a fault that strikes the first list of Services.
struct KnownFault {
  Fault fault;
  std::string said;
  bool is_slow = false;  // it is over after a second or so
};

/// All of them.
inline const std::vector<KnownFault>& known_faults() {
  static const std::vector<KnownFault> faults{
      {Fault::kDropped, "the connection was closed instead of an answer"},
      {Fault::kHtml, "with \"text/html; charset=utf-8\" instead of JSON"},
      {Fault::kBadGateway, "502 Status, with \"text/html\" instead of JSON"},
      {Fault::kTooManyRequests, "ms: GET /api/v1/services: 429 TooManyRequests: slow down", true},
      {Fault::kUnavailable, "503 ServiceUnavailable: starting"},
      {Fault::kOverloaded, "ms: GET /api/v1/services: 503 ServiceUnavailable: overloaded", true},
      {Fault::kUnauthorized, "401 Unauthorized"},
      {Fault::kGone, "410 Expired: too old resource version"},
      {Fault::kNoAnswer, "no answer within 500 ms", true},
      {Fault::kSilence, "not a byte within 1000 ms", true},
      {Fault::kCutObject, "broke off in the middle of the answer"},
      {Fault::kHalfLine, "Service event: invalid JSON"},
      {Fault::kEnd, "the streaming list ended before it was complete"},
      {Fault::kGoneEvent, "watch of services: 410 Expired"},
      {Fault::kErrorEvent, "500 InternalError: etcdserver: no leader"},
      {Fault::kUnknownType, "unknown type of event \"RENAMED\""},
      {Fault::kOtherKind, "expected Service, found \"Pod\""},
      {Fault::kInvalidJson, "Service event: invalid JSON"},
      {Fault::kDuplicateKey, "type: occurs twice"},
      {Fault::kHugeObject, "a line is longer than 16777216 bytes", true}};
  return faults;
}

}  // namespace test
