#include "proxy/sync/dispensable.h"

#include <array>

namespace proxy {

namespace {

struct Dispensable {
  std::string_view what;
  void (*leave_out)(rules::Context& context);
};

constexpr std::array<Dispensable, kDispensableParts> kParts{
    Dispensable{"the counters of accounting objects (match nfacct)",
                [](rules::Context& context) {
                  context.counts_invalid_drops = false;
                  context.counts_localhost_node_ports = false;
                }},
    Dispensable{"random source ports (MASQUERADE --random-fully)",
                [](rules::Context& context) { context.random_fully = false; }},
    Dispensable{"dropping packets of no known connection (match conntrack, state INVALID)",
                [](rules::Context& context) { context.tcp_be_liberal = true; }}};

}  // namespace

std::string_view dispensable_part(std::size_t part) {
  return kParts.at(part).what;
}

rules::Context without(rules::Context context, std::span<const std::size_t> parts) {
  for (const std::size_t part : parts) {
    kParts.at(part).leave_out(context);
  }
  return context;
}

}  // namespace proxy
