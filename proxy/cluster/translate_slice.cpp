#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "proxy/cluster/notes.h"
#include "proxy/cluster/translate.h"
#include "proxy/text/rfc3339.h"

namespace proxy {

namespace {

using rules::Family;
using rules::IpAddress;

std::optional<Family> family_of(std::string_view address_type) {
  for (const Family family : kFamilies) {
    if (address_type == to_string(family)) {
      return family;
    }
  }
  return std::nullopt;
}

std::vector<Slice::Port> usable_ports(const k8sclient::EndpointSlice& slice, Notes& notes) {
  std::vector<Slice::Port> result;
  result.reserve(slice.ports.size());
  for (std::size_t i = 0; i < slice.ports.size(); ++i) {
    const k8sclient::EndpointPort& port = slice.ports[i];
    const auto protocol = rules::parse_protocol(port.protocol);
    if (!port.name) {
      notes.add(fmt::format("ports[{}] dropped: it has no name", i));
    } else if (port.port.value_or(0) == 0) {
      notes.dropped(fmt::format("ports[{}]", i), *port.name, "it has no port number");
    } else if (!protocol) {
      notes.dropped(fmt::format("ports[{}].protocol", i), port.protocol, "unknown");
    } else {
      result.push_back({k8sclient::SharedString::intern(*port.name), *protocol, *port.port});
    }
  }
  return result;
}

// Numbers the hints of a slice: most of its endpoints share one set of them, or have none.
class HintTable {
 public:
  // 0: no hints; n: the n-th set of table().
  std::uint32_t number_of(const k8sclient::Endpoint& endpoint) {
    if (endpoint.zone_hints.empty() && endpoint.node_hints.empty()) {
      return 0;
    }
    Slice::Hints hints{endpoint.zone_hints, endpoint.node_hints};
    const auto next = static_cast<std::uint32_t>(numbers_.size() + 1);
    return numbers_.emplace(std::move(hints), next).first->second;
  }

  std::vector<Slice::Hints> table() const {
    std::vector<Slice::Hints> result(numbers_.size());
    for (const auto& [hints, number] : numbers_) {
      result[number - 1] = hints;
    }
    return result;
  }

 private:
  std::map<Slice::Hints, std::uint32_t> numbers_;
};

void add_endpoints(Slice& result,
                   const k8sclient::EndpointSlice& slice,
                   const TranslateOptions& options,
                   Notes& notes) {
  HintTable hints;
  result.endpoints.reserve(slice.endpoints.size());
  for (std::size_t i = 0; i < slice.endpoints.size(); ++i) {
    const k8sclient::Endpoint& endpoint = slice.endpoints[i];
    const auto address = IpAddress::parse(endpoint.address);
    if (endpoint.address.empty()) {
      notes.add(fmt::format("endpoints[{}] dropped: it has no address", i));
    } else if (!address || address->family() != result.family) {
      notes.dropped(fmt::format("endpoints[{}]", i),
                    endpoint.address,
                    fmt::format("not an {} address", to_string(result.family)));
    } else if (address->is_loopback() || address->is_unspecified()) {
      // The API server refuses it; each node would send a Service's clients to itself.
      notes.dropped(fmt::format("endpoints[{}]", i), endpoint.address, "an address of each host");
    } else {
      result.endpoints.push_back(
          {.address = *address,
           .local = !options.node_name.empty() && endpoint.node_name.view() == options.node_name,
           .ready = endpoint.ready.value_or(true),
           .serving = endpoint.serving.value_or(true),
           .terminating = endpoint.terminating.value_or(false),
           .hints = hints.number_of(endpoint)});
    }
  }
  result.hints = hints.table();
}

}  // namespace

SliceTranslation translate(const k8sclient::EndpointSlice& slice, const TranslateOptions& options) {
  SliceTranslation result;
  if (slice.is_headless) {
    return result;
  }
  Notes notes("EndpointSlice", slice.name);
  const auto family = family_of(slice.address_type);
  if (!family) {
    notes.dropped("addressType", slice.address_type, "neither IPv4 nor IPv6");
  } else if (slice.service.empty()) {
    notes.add("ignored: it has no label kubernetes.io/service-name");
  } else {
    Slice& kept = result.slice.emplace();
    kept.service = slice.service;
    kept.family = *family;
    kept.ports = usable_ports(slice, notes);
    add_endpoints(kept, slice, options, notes);
    kept.trigger_time = parse_rfc3339(slice.last_change_trigger_time);
    if (!kept.trigger_time && !slice.last_change_trigger_time.empty()) {
      notes.dropped("annotation endpoints.kubernetes.io/last-change-trigger-time",
                    slice.last_change_trigger_time,
                    "not an RFC 3339 time");
    }
  }
  result.warnings = notes.take();
  return result;
}

namespace {

std::vector<std::string> to_strings(const std::vector<k8sclient::SharedString>& shared) {
  std::vector<std::string> result;
  result.reserve(shared.size());
  for (const auto& text : shared) {
    result.emplace_back(text.view());
  }
  return result;
}

rules::Endpoint to_endpoint(const Slice& slice, const Slice::Endpoint& from, std::uint16_t port) {
  rules::Endpoint result{.address = {from.address, port},
                         .local = from.local,
                         .ready = from.ready,
                         .serving = from.serving,
                         .terminating = from.terminating,
                         .zone_hints = {},
                         .node_hints = {}};
  if (from.hints != 0) {
    result.zone_hints = to_strings(slice.hints[from.hints - 1].zones);
    result.node_hints = to_strings(slice.hints[from.hints - 1].nodes);
  }
  return result;
}

}  // namespace

std::vector<rules::Endpoint> endpoints_of(std::span<const Slice* const> slices,
                                          Family family,
                                          std::string_view port,
                                          rules::Protocol protocol) {
  struct Candidate {
    std::string text;
    const Slice* slice;
    const Slice::Endpoint* endpoint;
    std::uint16_t port;
  };

  std::vector<Candidate> candidates;
  for (const Slice* slice : slices) {
    for (const Slice::Port& p : slice->ports) {
      if (slice->family != family || p.protocol != protocol || p.name.view() != port) {
        continue;
      }
      candidates.reserve(candidates.size() + slice->endpoints.size());
      for (const Slice::Endpoint& endpoint : slice->endpoints) {
        candidates.push_back({to_string(rules::SocketAddress{endpoint.address, p.number}),
                              slice,
                              &endpoint,
                              p.number});
      }
    }
  }
  std::ranges::stable_sort(candidates, {}, &Candidate::text);

  std::vector<rules::Endpoint> result;
  result.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const auto& [text, slice, endpoint, number] = candidates[i];
    const bool is_duplicate = i > 0 && text == candidates[i - 1].text;
    if (!is_duplicate) {
      result.push_back(to_endpoint(*slice, *endpoint, number));
    } else if (!endpoint->terminating) {
      result.back() = to_endpoint(*slice, *endpoint, number);
    }
  }
  return result;
}

}  // namespace proxy
