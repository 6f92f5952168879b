#include <algorithm>
#include <cstdlib>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/conformance/cluster.h"
#include "test/conformance/setups.h"
#include "test/support/eventually.h"
#include "test/support/native_address.h"

// How long clients notice that another tool has flushed table nat. IPTPROXY_FLUSHES says how often
// it is tried.

using namespace test::lab;
using proxy::Descriptor;
using rules::Family;
using test::service;
using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

namespace {

constexpr std::size_t kServices = 500;
constexpr std::chrono::milliseconds kBetweenProbes{10};
constexpr std::chrono::milliseconds kPatience{100};

std::size_t number_of_flushes() {
  const char* number = std::getenv("IPTPROXY_FLUSHES");
  return number == nullptr ? 1 : static_cast<std::size_t>(std::atoi(number));
}

std::string address_of(std::size_t number) {
  return fmt::format("10.97.{}.{}", number / 200, 1 + number % 200);
}

Objects many_services(const Lab& lab) {
  Objects objects;
  for (std::size_t number = 0; number < kServices; ++number) {
    const std::string name = fmt::format("many/s{}", number);
    objects.services.push_back(service(name, {address_of(number)}).port("p", 80).build());
    std::vector<Member> members;
    for (const Host* pod : lab.network().pods()) {
      members.push_back({pod->name});
    }
    add(objects, lab, {name, {{"p"}}, members});
  }
  return objects;
}

Question question_to(std::size_t number, std::chrono::milliseconds patience) {
  return {.to = {rules::IpAddress::parse(address_of(number % kServices)).value(), 80},
          .patience = patience};
}

/// A connection that is begun every few milliseconds, always to another Service from another port,
/// and given up before a SYN would be sent again.
class Probes {
 public:
  struct Probe {
    Clock::time_point begun;
    bool is_served = false;
  };

  explicit Probes(const Host& from)
      : thread_([this, &from](const std::stop_token& stop) { run(from, stop); }) {}

  /// Ends them. What became of them, in the order in which they were begun.
  const std::vector<Probe>& stop() {
    thread_.request_stop();
    thread_.join();
    return probes_;
  }

 private:
  struct Open {
    std::size_t number;
    Descriptor socket;
  };

  void run(const Host& from, const std::stop_token& stop) {
    for (auto next = Clock::now(); !stop.stop_requested() || !open_.empty();) {
      if (!stop.stop_requested() && Clock::now() >= next) {
        begin(from);
        next += kBetweenProbes;
      }
      look();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  void begin(const Host& from) {
    auto to = test::to_native(question_to(probes_.size() * 37, kPatience).to);
    Descriptor socket = from.space.within([] {
      return Descriptor(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    });
    const linger no_time_wait{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &no_time_wait, sizeof no_time_wait);
    probes_.push_back({.begun = Clock::now()});
    ::connect(socket.get(), to.get(), to.length);
    open_.push_back({probes_.size() - 1, std::move(socket)});
  }

  void look() {
    for (auto probe = open_.begin(); probe != open_.end();) {
      Probe& known = probes_[probe->number];
      pollfd writable{.fd = probe->socket.get(), .events = POLLOUT, .revents = 0};
      known.is_served = ::poll(&writable, 1, 0) == 1 && writable.revents == POLLOUT;
      const bool is_over = writable.revents != 0 || Clock::now() - known.begun > kPatience;
      probe = is_over ? open_.erase(probe) : std::next(probe);
    }
  }

  std::vector<Probe> probes_;
  std::list<Open> open_;
  std::jthread thread_;
};

struct Outage {
  double of_probes_ms = 0;  // from the first that was not served to the last, and one interval
  double longest_ms = 0;    // of the connections that waited
  unsigned repeats = 0;     // SYNs that the one of them sent again that sent most
};

/// Clients that wait as long as it takes, begun one after the other.
class Patient {
 public:
  explicit Patient(const Host& from) {
    for (std::size_t i = 0; i < answers_.size(); ++i) {
      threads_.emplace_back([this, &from, i] {
        std::this_thread::sleep_for(std::chrono::milliseconds(25) * i);
        answers_[i] = ask(from, question_to(i * 41, std::chrono::seconds(30)));
      });
    }
  }

  std::vector<Answer> finish() {
    threads_.clear();
    return answers_;
  }

 private:
  std::vector<Answer> answers_ = std::vector<Answer>(20);
  std::vector<std::jthread> threads_;
};

Outage flush(Lab& lab, const std::string& what) {
  Probes probes(lab.host("pod-2a"));
  Patient patient(lab.host("pod-2b"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  lab.on_node(2, "iptables -w 5 -t nat -F " + what);
  Outage outage;
  for (const Answer& answer : patient.finish()) {
    CHECK(answer.is_answer());
    outage.longest_ms = std::max(outage.longest_ms, Milliseconds(answer.after).count());
    outage.repeats = std::max(outage.repeats, answer.repeats);
  }
  std::vector<Probes::Probe> failed = probes.stop();
  CHECK(failed.back().is_served);
  std::erase_if(failed, [](const Probes::Probe& probe) { return probe.is_served; });
  if (!failed.empty()) {
    outage.of_probes_ms =
        Milliseconds(failed.back().begun - failed.front().begun + kBetweenProbes).count();
  }
  return outage;
}

/// The p-th of them, p from 0 to 1.
double quantile(std::vector<double> values, double p) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(p * static_cast<double>(values.size() - 1) + 0.5)];
}

}  // namespace

TEST_CASE("repair: after a flush of nat everybody is served again, who waited as well",
          "[netns][repair-time]") {
  const Setup setup = in_each_variant();
  CAPTURE(to_string(setup));
  const std::string what = GENERATE(as<std::string>(), "", "KUBE-SERVICES");
  CAPTURE(what);
  Lab lab({.setup = setup});
  lab.apply(many_services(lab));

  std::vector<double> of_probes;
  std::vector<double> longest;
  std::string report;
  for (std::size_t i = 0; i < number_of_flushes(); ++i) {
    if (i > 0) {  // who meddles again and again is looked at less often
      std::this_thread::sleep_for(std::chrono::seconds(6));
    }
    const Outage outage = flush(lab, what);
    of_probes.push_back(outage.of_probes_ms);
    longest.push_back(outage.longest_ms);
    report +=
        fmt::format("{:.0f}/{:.0f}/{} ", outage.of_probes_ms, outage.longest_ms, outage.repeats);
  }

  WARN(fmt::format(
      "{} {}: outage in ms p50 {:.0f} p99 {:.0f}; who waited p50 {:.0f} p99 {:.0f} ({})",
      to_string(setup),
      what,
      quantile(of_probes, 0.5),
      quantile(of_probes, 0.99),
      quantile(longest, 0.5),
      quantile(longest, 0.99),
      report));
}
