#include "bench/sync_figures.h"

#include <cstdio>
#include <stdexcept>

#include <fmt/format.h>

namespace bench {

Quantiles quantiles(const Timing& timing) {
  return {.runs = static_cast<std::uint32_t>(timing.runs_ms.size()),
          .p10 = timing.percentile(0.1),
          .p50 = timing.percentile(0.5),
          .p90 = timing.percentile(0.9),
          .p99 = timing.percentile(0.99)};
}

Size parse_size(const std::string& text) {
  Size size;
  char end = 0;
  if (std::sscanf(text.c_str(), "%zux%zu%c", &size.services, &size.endpoints, &end) != 2 ||
      size.services == 0 || size.endpoints == 0) {
    throw std::invalid_argument(fmt::format("\"{}\" is not SERVICESxENDPOINTS", text));
  }
  return size;
}

std::string_view name_of(Event event) {
  switch (event) {
    case Event::kColdStart:
      return "cold start";
    case Event::kRestart:
      return "restart";
    case Event::kOneEndpoint:
      return "one endpoint";
    case Event::kOneService:
      return "one Service";
    case Event::kHundredEndpoints:
      return "100 endpoints";
    case Event::kNothing:
      return "nothing";
  }
  return "";
}

std::string_view name_of(Way way) {
  switch (way) {
    case Way::kLibiptc:
      return "libiptc";
    case Way::kRestoreLegacy:
      return "restore-legacy";
    case Way::kNetlink:
      return "netlink";
    case Way::kRestoreNft:
      return "restore-nft";
    case Way::kNftablesMode:
      return "nftables-mode";
  }
  return "";
}

std::string way_and_layout(const Figures& figures) {
  std::string text(name_of(figures.way));
  if (figures.layout != rules::Layout::kKubeProxy) {
    text += fmt::format(" {}", rules::to_string(figures.layout));
  }
  return text;
}

std::string_view variant_of(Way way) {
  return way == Way::kLibiptc || way == Way::kRestoreLegacy ? "legacy" : "nft";
}

std::string_view name_of(Subject subject) {
  switch (subject) {
    case Subject::kSyncer:
      return "syncer";
    case Subject::kIptproxy:
      return "iptproxy run";
    case Subject::kKubeProxy:
      return "kube-proxy";
  }
  return "";
}

}  // namespace bench
