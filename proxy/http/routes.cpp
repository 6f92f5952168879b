#include "proxy/http/routes.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "rules/net.h"

namespace proxy {

namespace {

using TimePoint = std::chrono::steady_clock::time_point;

/// The name or address in a Host header: "[::1]:10249" names ::1.
std::string_view host_part(std::string_view host) {
  if (host.starts_with('[')) {
    return host.substr(1, std::min(host.find(']'), host.size()) - 1);
  }
  return host.substr(0, host.find(':'));
}

bool is_allowed(std::string_view host, const std::set<std::string, std::less<>>& names) {
  std::string name(host_part(host));
  std::ranges::transform(name, name.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return name.empty() || name == "localhost" || names.contains(name) ||
         rules::IpAddress::parse(name).has_value();
}

/// The newest pages of one handler.
class KeptPages {
 public:
  const Response* find(std::string_view key, TimePoint not_before) {
    std::erase_if(pages_, [&](const Page& page) { return page.made < not_before; });
    const auto page =
        std::ranges::find(pages_, key, [](const Page& p) { return std::string_view(p.key); });
    return page == pages_.end() ? nullptr : &page->response;
  }

  void keep(const std::string& key, TimePoint now, const Response& response) {
    constexpr std::size_t kMost = 16;
    if (pages_.size() >= kMost) {
      pages_.erase(pages_.begin());
    }
    pages_.push_back({key, now, response});
  }

 private:
  struct Page {
    std::string key;
    TimePoint made;
    Response response;
  };

  std::vector<Page> pages_;  // the oldest first
};

}  // namespace

Handler routes(Routes paths) {
  std::map<std::string, Handler, std::less<>> handlers;
  for (auto& [path, route] : paths) {
    handlers.emplace(path, limited_to_methods(std::move(route)));
  }
  return [handlers = std::move(handlers)](const Request& request) {
    const auto found = handlers.find(request.path);
    return found == handlers.end() ? text_response(404, "404 page not found\n")
                                   : found->second(request);
  };
}

Handler limited_to_methods(Route route) {
  return [route = std::move(route)](const Request& request) {
    if (route.methods.contains(request.method)) {
      return route.handler(request);
    }
    Response response = text_response(405, "method not allowed\n");
    response.headers.emplace_back("Allow", fmt::format("{}", fmt::join(route.methods, ", ")));
    return response;
  };
}

Handler protected_from_rebinding(std::set<std::string, std::less<>> names, Handler handler) {
  return [names = std::move(names), handler = std::move(handler)](const Request& request) {
    return !request.from_this_host || is_allowed(request.host, names)
               ? handler(request)
               : text_response(403,
                               "requests from this host must name it: by an IP address, localhost "
                               "or the node's name\n");
  };
}

Handler for_this_host(Handler handler) {
  return [handler = std::move(handler)](const Request& request) {
    return request.from_this_host
               ? handler(request)
               : text_response(403,
                               "answered on this host alone, by 127.0.0.1 or [::1]; from elsewhere "
                               "through kubectl port-forward\n");
  };
}

Handler kept_for(std::chrono::nanoseconds age, Handler handler, std::function<TimePoint()> now) {
  const auto pages = std::make_shared<KeptPages>();
  return [=, handler = std::move(handler), now = std::move(now)](const Request& request) {
    const TimePoint time = now();
    const std::string key = request.target + "\n" + request.accept;
    if (const Response* kept = pages->find(key, time - age)) {
      return *kept;
    }
    Response response = handler(request);
    if (response.status == 200) {
      pages->keep(key, time, response);
    }
    return response;
  };
}

}  // namespace proxy
