#pragma once

#include <string>
#include <string_view>

#include "proxy/http/message.h"
#include "proxy/report/status.h"

namespace proxy {

/// From ?q=TEXT&show=without-endpoints|quarantined&page=N&refresh=1; what makes no sense is
/// ignored. With &format=json for to_json (status_json.h), which shows all on one page.
StatusQuery parse_status_query(const Request& request);

/// A form that asks /explain for the way of a packet, filled with what was asked: any text. HTML.
std::string packet_form(std::string_view from, std::string_view to);

/// The status page for people: whether all is well and why not, service ports (each links to
/// /explain?service=NAMESPACE/NAME), a form that asks for a packet's way, plots. `query` is what
/// `status` was made for. Pure.
Response status_page(const Status& status, const StatusQuery& query);

}  // namespace proxy
