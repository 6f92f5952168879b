#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "proxy/http/connection.h"
#include "proxy/http/message.h"

namespace proxy {

/// A handler for some methods; others are answered with 405.
struct Route {
  Handler handler;
  std::set<std::string, std::less<>> methods = {"GET", "HEAD"};
};

using Routes = std::map<std::string, Route, std::less<>>;

/// A handler that picks another by the exact path; other paths are answered as Go does (spec §9).
Handler routes(Routes paths);

/// The handler, for requests with one of its methods.
Handler limited_to_methods(Route route);

/// The handler, but requests from this host are answered with 403 unless they name it: by an IP
/// address, localhost or one of `names` (in lower case). Otherwise any web page that is open in a
/// browser here could read the answers, under a name of its own that it lets point to us (DNS
/// rebinding).
Handler protected_from_rebinding(std::set<std::string, std::less<>> names, Handler handler);

/// The handler for requests from this host; others get 403.
Handler for_this_host(Handler handler);

/// The handler, asked once and then not again for `age` for the same target and type: who asks in
/// between gets the same answer, not a copy. Of answers with 200 the newest 16 are kept. For one
/// thread.
Handler kept_for(
    std::chrono::nanoseconds age,
    Handler handler,
    std::function<std::chrono::steady_clock::time_point()> now = std::chrono::steady_clock::now);

}  // namespace proxy
