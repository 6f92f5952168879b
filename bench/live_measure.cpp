#include "bench/live_measure.h"

#include <algorithm>
#include <ranges>
#include <thread>

#include <fmt/format.h>

#include "bench/live_node.h"
#include "rules/names.h"
#include "test/support/kernel_rules.h"
#include "test/support/nftables_mode.h"
#include "test/support/paths.h"

namespace bench {

namespace {

using Clock = std::chrono::steady_clock;
using test::LiveCluster;
using test::LiveService;

constexpr std::size_t kManyEndpoints = 100;
constexpr int kManyRuns = 3;
// Longer than both proxies wait between two syncs, so that a change is not held back by the last.
constexpr std::chrono::milliseconds kQuiet{1500};

std::string address(unsigned network, std::size_t offset) {
  return fmt::format(
      "10.{}.{}.{}", network + offset / 62'500, offset / 250 % 250, offset % 250 + 1);
}

LiveService service_of(std::size_t number, std::size_t endpoints) {
  LiveService service{.name = fmt::format("service-{}", number),
                      .cluster_ip = address(97, number),
                      .endpoints = {}};
  for (std::size_t i = 0; i < endpoints; ++i) {
    service.endpoints.push_back(address(128, number * endpoints + i));
  }
  return service;
}

std::string chain_of(const LiveService& service) {
  return std::string(
      rules::cluster_policy_chain({"default", service.name, "http", rules::Protocol::kTcp}).view());
}

/// The changes that one proxy is measured with, and undone for the next one.
class Script {
 public:
  Script(LiveCluster& cluster, LiveNode& node, Figures& figures, std::vector<std::string> argv)
      : cluster_(cluster), node_(node), figures_(figures), argv_(std::move(argv)) {}

  void run(int runs) {
    figures_[Event::kColdStart] = quantiles(once([&] { return start(); }));
    std::ranges::copy(
        parse_start_steps(node_.log()) | std::views::take(figures_.start_steps.size()),
        figures_.start_steps.begin());
    add_endpoint();  // at 1,000 endpoints it may change the comments of all rules
    figures_[Event::kOneEndpoint] = quantiles(repeat(runs, [&] { return add_endpoint(); }));
    figures_[Event::kHundredEndpoints] =
        quantiles(repeat(std::min(runs, kManyRuns), [&] { return add_many_endpoints(); }));
    figures_[Event::kOneService] = quantiles(repeat(runs, [&] { return add_service(); }));
    figures_[Event::kRestart] = quantiles(once([&] { return restart(); }));
    node_.stop();
    figures_.rss_bytes = node_.rss_bytes();
    figures_.child_rss_bytes = node_.child_rss_bytes();
    undo();
  }

 private:
  static Timing once(const std::function<double()>& work) { return {.runs_ms = {work()}}; }

  static Timing repeat(int runs, const std::function<double()>& work) {
    Timing timing;
    for (int run = 0; run < runs; ++run) {
      std::this_thread::sleep_for(kQuiet);
      timing.runs_ms.push_back(work());
    }
    std::sort(timing.runs_ms.begin(), timing.runs_ms.end());
    return timing;
  }

  LiveCluster::Reader reader() const {
    return figures_.subject == Subject::kKubeProxy ? LiveCluster::Reader::kKubeProxy
                                                   : LiveCluster::Reader::kIptproxy;
  }

  bool is_legacy() const { return variant_of(figures_.way) == "legacy"; }

  bool is_nftables_mode() const { return figures_.way == Way::kNftablesMode; }

  /// Grows when an endpoint more of the Service gets into the kernel.
  std::size_t mark_of(const LiveService& service) const {
    return is_nftables_mode()
               ? test::nft_newest_rule(
                     test::kNftablesModeTable,
                     test::nftables_service_chain("default/" + service.name + "/tcp/http"))
               : node_.rules_in(chain_of(service));
  }

  /// Grows when that Service gets into the kernel.
  std::size_t rules_naming(const LiveService& service) const {
    return is_nftables_mode() ? mark_of(service) : node_.rules_in("KUBE-SERVICES");
  }

  bool has_all_services() const {
    const Size& size = figures_.size;
    if (is_nftables_mode()) {  // one transaction
      return mark_of(service_of(0, size.endpoints)) > 0 &&
             mark_of(service_of(size.services - 1, size.endpoints)) > 0;
    }
    return node_.rules_in("KUBE-SERVICES") >= least_rules(size, is_legacy());
  }

  double start() {
    const auto begin = Clock::now();
    node_.start(argv_);
    return node_.await(begin, [&] { return has_all_services(); });
  }

  /// Of another Service each time.
  LiveService& next_service() {
    const std::size_t number = next_++ % figures_.size.services;
    const auto known = std::ranges::find(changed_, service_of(number, 0).name, &LiveService::name);
    if (known != changed_.end()) {
      return *known;
    }
    return changed_.emplace_back(service_of(number, figures_.size.endpoints));
  }

  /// The Service with one endpoint more, of which nobody knows yet.
  LiveService& grow() {
    LiveService& service = next_service();
    service.endpoints.push_back(address(200, added_++));
    return service;
  }

  double add_endpoint() {
    const LiveService& service = grow();
    const std::size_t before = mark_of(service);
    const auto begin = Clock::now();
    cluster_.change_endpoints(service, reader());
    const double time = node_.await(begin, [&] { return mark_of(service) > before; });
    each_adds_ = mark_of(service) - before;
    return time;
  }

  double add_many_endpoints() {
    std::vector<LiveService> services;
    for (std::size_t i = 0; i < std::min(kManyEndpoints, figures_.size.services); ++i) {
      services.push_back(grow());
    }
    const auto before = marks_of(services);
    const auto begin = Clock::now();
    for (const LiveService& service : services) {
      cluster_.change_endpoints(service, reader());
    }
    return node_.await(begin, [&] {
      const auto now = marks_of(services);
      if (is_legacy()) {  // all are the number of rules in the whole table
        return now.front() >= before.front() + services.size() * each_adds_;
      }
      return std::ranges::equal(now, before, std::ranges::greater{});
    });
  }

  std::vector<std::size_t> marks_of(const std::vector<LiveService>& services) const {
    std::vector<std::size_t> marks;
    for (const LiveService& service : services) {
      marks.push_back(mark_of(service));
      if (is_legacy()) {
        break;
      }
    }
    return marks;
  }

  double add_service() {
    const LiveService service =
        service_of(figures_.size.services + new_.size(), figures_.size.endpoints);
    new_.push_back(service);
    cluster_.add_endpoints(service);
    std::this_thread::sleep_for(kQuiet);  // kube-proxy syncs for them alone
    const std::size_t before = rules_naming(service);
    const auto begin = Clock::now();
    cluster_.add_service(service);
    return node_.await(begin, [&] { return rules_naming(service) > before; });
  }

  double restart() {
    node_.stop();
    const LiveService& service = grow();
    const std::size_t before = mark_of(service);
    cluster_.change_endpoints(service, reader());
    const auto begin = Clock::now();
    node_.start(argv_);
    return node_.await(begin, [&] { return mark_of(service) > before; });
  }

  void undo() {
    for (const LiveService& service : new_) {
      cluster_.remove(service);
    }
    for (LiveService& service : changed_) {
      service.endpoints.resize(figures_.size.endpoints);
      cluster_.change_endpoints(service, reader());
    }
  }

  LiveCluster& cluster_;
  LiveNode& node_;
  Figures& figures_;
  std::vector<std::string> argv_;
  std::vector<LiveService> changed_;
  std::vector<LiveService> new_;
  std::size_t next_ = 0;
  std::size_t added_ = 0;
  std::size_t each_adds_ = 1;
};

/// kube-proxy has no other way than programs; what it does on a variant is measured once.
std::vector<Contestant> contestants(const LivePlan& plan) {
  std::vector<Contestant> all;
  const auto add = [&](Subject subject, Way way) {
    if (std::ranges::find(all, Contestant{subject, way}) == all.end()) {
      all.emplace_back(subject, way);
    }
  };
  for (const Way way : plan.ways) {
    const bool is_nft = variant_of(way) == "nft";
    for (const std::string& mode : plan.proxy_modes) {
      if (mode == "iptables") {
        add(Subject::kKubeProxy, is_nft ? Way::kRestoreNft : Way::kRestoreLegacy);
      } else if (is_nft) {
        add(Subject::kKubeProxy, Way::kNftablesMode);
      }
    }
    add(Subject::kIptproxy, way);
  }
  return all;
}

}  // namespace

void fill(LiveCluster& cluster, const Size& size) {
  for (std::size_t i = 0; i < size.services; ++i) {
    const LiveService service = service_of(i, size.endpoints);
    cluster.add_endpoints(service);
    cluster.add_service(service);
  }
}

std::size_t least_rules(const Size& size, bool is_legacy) {
  return is_legacy ? size.services * (2 + 3 * size.endpoints) : size.services;
}

std::vector<std::string> command_of(const Contestant& contestant,
                                    const test::ClusterPrograms& programs,
                                    const LiveCluster& cluster) {
  const auto [subject, way] = contestant;
  const bool is_ours = subject == Subject::kIptproxy;
  std::vector<std::string> argv{is_ours ? test::program_path() : programs.kube_proxy};
  const auto flags =
      cluster.flags(is_ours ? LiveCluster::Reader::kIptproxy : LiveCluster::Reader::kKubeProxy);
  argv.insert(argv.end(), flags.begin(), flags.end());
  if (is_ours) {
    argv.emplace_back("--v=2");  // the steps of its start
  }
  if (way == Way::kNftablesMode) {
    argv.emplace_back("--proxy-mode=nftables");
  } else if (is_ours) {
    argv.emplace_back(way == Way::kLibiptc   ? "--iptables-backend=libiptc"
                      : way == Way::kNetlink ? "--iptables-backend=auto"
                                             : "--iptables-backend=restore");
  }
  return argv;
}

void measure_live(const test::ClusterPrograms& programs, const LivePlan& plan, const Sink& sink) {
  become_control_plane();
  LiveCluster cluster(programs, kApiAddress);
  fill(cluster, plan.size);
  for (const Contestant& contestant : contestants(plan)) {
    const auto [subject, way] = contestant;
    Figures figures{.subject = subject, .way = way, .size = plan.size};
    LiveNode node(std::string(variant_of(way)), cluster.folder());
    Script(cluster, node, figures, command_of(contestant, programs, cluster)).run(plan.runs);
    sink(figures);
  }
}

}  // namespace bench
