#pragma once

#include <cstddef>
#include <string>

#include "proxy/http/message.h"
#include "proxy/report/status.h"

namespace proxy {

/// What a visitor of the status page asked for.
struct StatusQuery {
  std::string text;  // services whose name or an address contains it; empty: all
  bool quarantined_only = false;
  std::size_t page = 1;  // from 1; beyond the end: the last one
};

/// From ?q=TEXT&quarantined=1&page=N; what makes no sense is ignored.
StatusQuery parse_status_query(const Request& request);

/// The page for people: one HTML document without scripts or anything from elsewhere. Services are
/// shown 50 at a time; each links to /explain?service=NAMESPACE/NAME. Pure.
std::string status_page(const Status& status, const StatusQuery& query);

/// The page as an answer, with headers that forbid it to load anything.
Response status_response(const Status& status, const StatusQuery& query);

}  // namespace proxy
