#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bench/harness.h"
#include "bench/start_steps.h"
#include "rules/service.h"

namespace bench {

/// What makes a proxy sync.
enum class Event : std::uint8_t {
  kColdStart,  // no rule is there yet
  kRestart,    // all rules are there, but the program does not know
  kOneEndpoint,
  kOneService,
  kHundredEndpoints,  // of as many Services, if there are so many
  kNothing,
};

inline constexpr std::array kEvents{Event::kColdStart,
                                    Event::kRestart,
                                    Event::kOneEndpoint,
                                    Event::kOneService,
                                    Event::kHundredEndpoints,
                                    Event::kNothing};

/// How rules get to the kernel; the last is kube-proxy's nftables mode, whose rules are others.
enum class Way : std::uint8_t { kLibiptc, kRestoreLegacy, kNetlink, kRestoreNft, kNftablesMode };

/// What was measured.
enum class Subject : std::uint8_t {
  kSyncer,     // iptproxy's syncer, in this process: from the snapshot to the kernel
  kIptproxy,   // the daemon: from the write to the API server to the kernel
  kKubeProxy,  // likewise
};

/// Milliseconds.
struct Quantiles {
  std::uint32_t runs = 0;  // 0: not measured
  double p10 = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;

  bool operator==(const Quantiles&) const = default;
};

Quantiles quantiles(const Timing& timing);

struct Size {
  std::size_t services = 0;
  std::size_t endpoints = 0;  // of each Service

  bool operator==(const Size&) const = default;
};

/// Of "SERVICESxENDPOINTS". Throws std::invalid_argument.
Size parse_size(const std::string& text);

/// What one subject cost at one size. Plain bytes, so that a process can hand it to another.
struct Figures {
  Subject subject = Subject::kSyncer;
  Way way = Way::kLibiptc;
  rules::Layout layout = rules::Layout::kKubeProxy;
  Size size;
  std::array<Quantiles, kEvents.size()> times{};  // by Event
  Quantiles bare_start;             // of nft: the kernel's part of a cold start, in one transaction
  Quantiles bare_commit;            // the least that the kernel takes for a change at that size
  std::size_t nat_rules = 0;        // 0: not counted
  std::size_t rss_bytes = 0;        // the largest of the process itself
  std::size_t child_rss_bytes = 0;  // of its largest child; 0: it had none
  std::array<StartStep, 16>
      start_steps{};  // of the daemon's cold start; the last ones may be empty

  const Quantiles& operator[](Event event) const { return times[static_cast<std::size_t>(event)]; }

  Quantiles& operator[](Event event) { return times[static_cast<std::size_t>(event)]; }

  bool operator==(const Figures&) const = default;
};

/// "cold start", "one endpoint", …
std::string_view name_of(Event event);

/// "libiptc", "restore-legacy", "netlink", "restore-nft", "nftables-mode".
std::string_view name_of(Way way);

/// "netlink", "netlink compact": the way, and the layout unless it is the default one.
std::string way_and_layout(const Figures& figures);

/// "legacy" or "nft".
std::string_view variant_of(Way way);

/// "syncer", "iptproxy run", "kube-proxy".
std::string_view name_of(Subject subject);

}  // namespace bench
