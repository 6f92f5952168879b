#include "bench/sync_measure.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "bench/clusters.h"
#include "proxy/backends/variant.h"
#include "proxy/legacy/table.h"
#include "proxy/nft/built_in.h"
#include "proxy/nft/tables.h"
#include "proxy/nft/transaction.h"
#include "proxy/sync/syncer.h"

namespace bench {

namespace {

constexpr int kMostRestarts = 3;
constexpr std::size_t kMovedAtOnce = 100;

std::unique_ptr<proxy::Backend> backend_of(Way way) {
  proxy::IptablesChoice choice;
  choice.variant = variant_of(way) == "nft" ? proxy::Variant::kNft : proxy::Variant::kLegacy;
  choice.in_process = way == Way::kLibiptc || way == Way::kNetlink;
  static proxy::ForeignChanges unwatched;
  return proxy::make_backend(rules::Family::kIpv4, choice, unwatched);
}

void require(const std::optional<proxy::ApplyError>& error) {
  if (error) {
    throw std::runtime_error(error->message);
  }
}

void require(const proxy::SyncReport& report) {
  require(report.error);
  if (!report.quarantined.empty()) {
    throw std::runtime_error("the kernel refused a service port");
  }
}

void clean_up(proxy::Backend& backend) {
  const auto have = backend.read(rules::Detail::kNames);
  require(backend.apply(rules::diff(have, rules::Ruleset())));
}

/// The table is replaced by itself.
Timing bare_replace(Clock clock, int runs) {
  const proxy::XtablesSocket socket(rules::Family::kIpv4);
  auto table = proxy::read_table(socket, rules::Family::kIpv4, rules::Table::kNat);
  const std::uint32_t count = table.shape.entries;
  proxy::CounterBuffer counters;
  counters.resize(count);
  return measure(clock, runs, [&] {
    socket.replace(rules::Table::kNat, table.shape, table.entries, {count, counters});
  });
}

/// The one rule of a fixed chain is written again.
Timing bare_transaction(Way way, Clock clock, int runs, const rules::Ruleset& wanted) {
  rules::Changes changes{.want = wanted};
  for (const rules::Section& section : wanted.base()->chains) {
    if (section.chain.name.view() == "KUBE-MARK-MASQ") {
      changes.chains.push_back(section);
    }
  }
  const auto backend = backend_of(way);
  return measure(clock, runs, [&] { require(backend->apply(changes)); });
}

/// All rules, made before the clock runs, as one transaction into empty tables.
Timing bare_start(Clock clock, const rules::Ruleset& wanted) {
  constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();
  constexpr std::size_t kRoom = 512U << 20U;
  proxy::NftTransactions transactions(kRoom);
  proxy::NfnetlinkSocket socket;
  const auto backend = backend_of(Way::kNetlink);
  Timing timing;
  proxy::NftBatchWriter writer(rules::Family::kIpv4, kNoLimit, [&](proxy::NftBatch& batch) {
    const auto before = proxy::frame_of(batch, rules::Family::kIpv4, socket);
    std::uint32_t generation = 0;
    const auto empty = [&] {
      clean_up(*backend);
      generation = proxy::nft_generation(socket);
    };
    const auto commit = [&] {
      const auto outcome =
          transactions.commit(generation, {&before, &batch.chains, &batch.messages});
      if (outcome.error != 0) {
        throw std::system_error(outcome.error, std::generic_category(), "bare transaction");
      }
    };
    timing = measure(clock, 1, commit, empty);
    return true;
  });
  rules::write_steps(rules::diff(rules::Installed{}, wanted), writer);
  writer.flush();
  return timing;
}

/// A cluster on a node, and what happens to it.
class Node {
 public:
  explicit Node(const Figures& figures)
      : size_(figures.size),
        cluster_(plain_cluster(size_.services, size_.endpoints)),
        context_(node_of(cluster_)),
        backend_(backend_of(figures.way)),
        syncer_(std::make_unique<proxy::Syncer>(*backend_)) {
    context_.layout = figures.layout;
    context_.counts_invalid_drops = false;  // the accounting objects are not there
    context_.counts_localhost_node_ports = false;
  }

  void make_empty() {
    forget();
    clean_up(*backend_);
  }

  void forget() { syncer_ = std::make_unique<proxy::Syncer>(*backend_); }

  void sync() { require(syncer_->sync(cluster_, context_)); }

  void move_endpoints(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      ++round_;
      cluster_ = with_moved_endpoint(cluster_, round_ * 7 % size_.services, round_);
    }
  }

  void add_service() {
    cluster_ = with_added_service(cluster_, size_.services + ++round_, size_.endpoints);
  }

  const rules::Ruleset& wanted() const { return syncer_->wanted(); }

 private:
  Size size_;
  rules::Snapshot cluster_;
  rules::Context context_;
  std::unique_ptr<proxy::Backend> backend_;
  std::unique_ptr<proxy::Syncer> syncer_;
  std::size_t round_ = 0;
};

}  // namespace

Figures measure_syncer(Figures figures, Clock clock, int runs) {
  const Way way = figures.way;
  Node node(figures);
  const auto timed = [&](Event event, int count, const std::function<void()>& prepare) {
    figures[event] = quantiles(measure(
        clock, count, [&] { node.sync(); }, prepare));
  };

  timed(Event::kColdStart, 1, [&] { node.make_empty(); });
  figures.nat_rules = node.wanted().rule_count(rules::Table::kNat);
  timed(Event::kRestart, std::min(runs, kMostRestarts), [&] { node.forget(); });
  timed(Event::kOneEndpoint, runs, [&] { node.move_endpoints(1); });
  timed(Event::kHundredEndpoints, runs, [&] {
    node.move_endpoints(std::min(figures.size.services, kMovedAtOnce));
  });
  timed(Event::kOneService, runs, [&] { node.add_service(); });
  timed(Event::kNothing, runs, {});
  figures.rss_bytes = peak_rss_bytes();
  figures.child_rss_bytes = children_peak_rss_bytes();
  figures.bare_commit =
      quantiles(variant_of(way) == "nft" ? bare_transaction(way, clock, runs, node.wanted())
                                         : bare_replace(clock, runs));
  if (variant_of(way) == "nft") {
    const rules::Ruleset wanted = node.wanted();
    node.make_empty();
    figures.bare_start = quantiles(bare_start(clock, wanted));
  }
  return figures;
}

}  // namespace bench
