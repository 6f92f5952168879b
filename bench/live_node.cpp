#include "bench/live_node.h"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include "proxy/host/process.h"
#include "proxy/legacy/xtables_socket.h"
#include "test/support/iptables_links.h"
#include "test/support/kernel_rules.h"
#include "test/support/parity_files.h"

namespace bench {

namespace {

constexpr std::chrono::minutes kPatience{10};
constexpr std::chrono::milliseconds kBetweenLooks{1};

void shell(const std::string& command) {
  const auto result = proxy::run({.argv = {"sh", "-ec", command}});
  if (result.status != 0) {
    throw std::runtime_error(command + ": " + result.error);
  }
}

proxy::Descriptor current_namespace() {
  proxy::Descriptor descriptor(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!descriptor) {
    proxy::throw_errno("open the network namespace");
  }
  return descriptor;
}

void enter(const proxy::Descriptor& space) {
  if (::setns(space.get(), CLONE_NEWNET) != 0) {
    proxy::throw_errno("enter a network namespace");
  }
}

}  // namespace

void become_control_plane() {
  shell(fmt::format("ip link set lo up; ip address add {}/32 dev lo", kApiAddress));
}

LiveNode::LiveNode(const std::string& variant, const std::filesystem::path& folder)
    : is_nft_(variant == "nft"), home_(current_namespace()), log_(folder / "proxy.log") {
  path_ = test::make_iptables_links(folder, variant).string() + ":" + std::getenv("PATH");
  if (::unshare(CLONE_NEWNET) != 0) {
    proxy::throw_errno("make a network namespace");
  }
  const auto inside = current_namespace();
  enter(home_);
  shell(
      fmt::format("ip link add node type veth peer name eth0 netns /proc/{}/fd/{};"
                  "ip address add 10.254.0.1/24 dev node; ip link set node up",
                  ::getpid(),
                  inside.get()));
  enter(inside);
  shell(
      fmt::format("ip link set lo up; ip link set eth0 up; ip address add 10.254.0.2/24 dev eth0;"
                  "ip route add default via 10.254.0.1; iptables-{} -t mangle -N "
                  "KUBE-IPTABLES-HINT",
                  variant));
}

LiveNode::~LiveNode() {
  program_.reset();
  if (::setns(home_.get(), CLONE_NEWNET) != 0) {
    std::abort();
  }
  // The namespace goes when nobody is in it, and the link with it, but not at once.
  proxy::run({.argv = {"ip", "link", "delete", "node"}});
}

void LiveNode::start(const std::vector<std::string>& argv) {
  std::filesystem::remove(log_);
  program_ = std::make_unique<test::Program>(
      test::Program::Command{.argv = argv, .environment = {"PATH=" + path_}, .log = log_});
}

std::string LiveNode::log() const {
  return test::content(log_);
}

void LiveNode::stop() {
  look_at_memory();
  program_->terminate();
  program_.reset();
}

std::size_t LiveNode::rules_in(const std::string& chain) const {
  if (is_nft_) {
    return test::nft_rule_count("nat", chain);
  }
  return proxy::XtablesSocket(rules::Family::kIpv4).shape(rules::Table::kNat).entries;
}

double LiveNode::await(std::chrono::steady_clock::time_point start,
                       const std::function<bool()>& condition) {
  using Milliseconds = std::chrono::duration<double, std::milli>;
  while (true) {
    const bool is_there = condition();
    const auto now = std::chrono::steady_clock::now();
    if (is_there) {
      return Milliseconds(now - start).count();
    }
    if (!program_->is_running() || now - start > kPatience) {
      throw std::runtime_error("the proxy did not write its rules; see " + log_.string());
    }
    look_at_memory();
    std::this_thread::sleep_for(kBetweenLooks);
  }
}

void LiveNode::look_at_memory() {
  rss_bytes_ = std::max(rss_bytes_, program_->peak_rss_bytes());
  child_rss_bytes_ = std::max(child_rss_bytes_, program_->child_rss_bytes());
}

}  // namespace bench
