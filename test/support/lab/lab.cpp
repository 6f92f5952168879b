#include "test/support/lab/lab.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>

#include "test/support/builders.h"
#include "test/support/iptables_links.h"
#include "test/support/manifests.h"
#include "test/support/paths.h"

namespace test::lab {

namespace {

using proxy::throw_errno;
using rules::Family;
using rules::Protocol;

// The Services by which is seen what is programmed: one that is served, one that is not. Their port
// is the number of the generation.
constexpr std::string_view kServed[] = {"10.96.255.254", "fd00:10:96::fffe"};
constexpr std::string_view kVoid[] = {"10.96.255.253", "fd00:10:96::fffd"};
constexpr std::uint16_t kFirstGeneration = 20000;

constexpr std::chrono::seconds kPatience{60};

/// What this thread and its children find in /run is theirs alone from here on.
std::filesystem::path private_folder() {
  static thread_local bool is_private = false;
  if (!is_private) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("lab", "/run", "tmpfs", 0, "mode=755") != 0) {
      throw_errno("make a mount namespace");
    }
    is_private = true;
  }
  std::string folder = "/run/lab-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) {
    throw_errno("make a folder in /run");
  }
  return folder;
}

/// The markers of a generation.
void add_markers(Objects& objects, std::uint16_t generation, const Addresses& server) {
  objects.services.push_back(
      service("lab/served", {std::string(kServed[0]), std::string(kServed[1])})
          .port("p", generation, "UDP")
          .build());
  objects.services.push_back(service("lab/void", {std::string(kVoid[0]), std::string(kVoid[1])})
                                 .port("p", generation, "UDP")
                                 .build());
  objects.slices.push_back(slice("lab/served-4", "served")
                               .port("p", kNodePort, "UDP")
                               .with(endpoint(rules::to_string(server.ipv4)))
                               .build());
  objects.slices.push_back(slice("lab/served-6", "served")
                               .ipv6()
                               .port("p", kNodePort, "UDP")
                               .with(endpoint(rules::to_string(server.ipv6)))
                               .build());
}

k8sclient::Node node_object(std::size_t number, const Addresses& own) {
  k8sclient::Node node;
  node.name = {"", fmt::format("node-{}", number)};
  node.zone = number == 3 ? "west" : "east";
  node.addresses = {{"InternalIP", rules::to_string(own.ipv4)},
                    {"InternalIP", rules::to_string(own.ipv6)}};
  node.pod_cidrs = {fmt::format("10.244.{}.0/24", number),
                    fmt::format("fd00:10:244:{}::/64", number)};
  return node;
}

}  // namespace

std::string to_string(const Setup& setup) {
  return fmt::format("{}, {}, {}", setup.variant, setup.layout, setup.backend);
}

Lab::Lab(Options options) : options_(std::move(options)), folder_(private_folder()) {
  for (std::size_t node = 1; node <= kNodes; ++node) {
    std::filesystem::create_directory(folder_ / fmt::format("node-{}", node));
    leave_rules_of_others(node);
    serve(fmt::format("node-{}", node));
  }
  for (const Host* pod : network_.pods()) {
    serve(pod->name);
  }
  publish({});
  for (std::size_t node = 1; options_.has_proxies && node <= kNodes; ++node) {
    start_proxy(node);
  }
  await_programmed();
}

void Lab::serve(std::string_view name) {
  const std::vector<std::uint16_t> ports =
      name.starts_with("node") ? std::vector{kNodePort} : std::vector{kPodPort, kOtherPodPort};
  servers_[std::string(name)] = std::make_unique<AnswerServer>(host(name), ports);
}

void Lab::stop_serving(std::string_view name) {
  servers_.erase(std::string(name));
}

AnswerServer& Lab::server(std::string_view name) {
  return *servers_.find(name)->second;
}

void Lab::apply(const Objects& objects) {
  publish(objects);
  await_programmed();
}

void Lab::publish(const Objects& objects) {
  generation_ = static_cast<std::uint16_t>(generation_ + 1);
  Objects all = objects;
  add_markers(all, static_cast<std::uint16_t>(kFirstGeneration + generation_), host("node-1").own);
  for (std::size_t node = 1; node <= kNodes; ++node) {
    write(node, "cluster", all);
  }
}

void Lab::publish_besides(const std::string& name, const Objects& objects) const {
  for (std::size_t node = 1; node <= kNodes; ++node) {
    write(node, name, objects);
  }
}

void Lab::write(std::size_t node, const std::string& name, const Objects& objects) const {
  const auto source = folder_ / fmt::format("node-{}", node);
  const auto draft = folder_ / fmt::format("draft-{}", node);
  std::ofstream(draft) << to_manifests({.services = objects.services,
                                        .slices = objects.slices,
                                        .node = node_object(node, network_.node(node).own)});
  std::filesystem::rename(draft, source / (name + ".json"));
}

void Lab::await_programmed() {
  const auto give_up_at = std::chrono::steady_clock::now() + kPatience;
  for (std::size_t node = 1; node <= kNodes; ++node) {
    for (const Family family : {Family::kIpv4, Family::kIpv6}) {
      while (has_proxy(node) && !is_programmed(node, family)) {
        if (std::chrono::steady_clock::now() > give_up_at) {
          throw std::runtime_error(
              fmt::format("node-{} does not program its rules:\n{}", node, log(node)));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
    }
  }
}

bool Lab::is_programmed(std::size_t node, Family family) const {
  const std::size_t index = family == Family::kIpv4 ? 0 : 1;
  const auto port = static_cast<std::uint16_t>(kFirstGeneration + generation_);
  const auto ask_for = [&](std::string_view address) {
    return ask(network_.node(node),
               {.to = {rules::IpAddress::parse(address).value(), port},
                .protocol = Protocol::kUdp,
                .patience = std::chrono::milliseconds(200)});
  };
  return ask_for(kServed[index]).is_answer() &&
         ask_for(kVoid[index]).kind == Answer::Kind::kRefused;
}

std::vector<std::string> Lab::flags(std::size_t node) const {
  std::vector<std::string> all{fmt::format("--source={}/node-{}", folder_.string(), node),
                               fmt::format("--hostname-override=node-{}", node),
                               fmt::format("--cluster-cidr={},{}",
                                           rules::to_string(pod_network(Family::kIpv4)),
                                           rules::to_string(pod_network(Family::kIpv6))),
                               "--conntrack-max-per-core=0",  // which is one for the whole machine
                               "--iptables-layout=" + options_.setup.layout,
                               "--iptables-backend=" + options_.setup.backend};
  all.insert(all.end(), options_.flags.begin(), options_.flags.end());
  return all;
}

void Lab::start_proxy(std::size_t node) {
  const auto links = make_iptables_links(folder_, options_.setup.variant);
  const std::string first = options_.programs.empty() ? "" : options_.programs + ":";
  std::vector<std::string> argv{program_path(), "run"};
  for (const std::string& flag : flags(node)) {
    argv.push_back(flag);
  }
  proxies_[node - 1] = network_.node(node).space.within([&] {
    return std::make_unique<Program>(Program::Command{
        .argv = argv,
        .environment = {"PATH=" + first + links.string() + ":" + std::getenv("PATH"),
                        fmt::format("XTABLES_LOCKFILE={}/node-{}.lock", folder_.string(), node)},
        .log = folder_ / fmt::format("node-{}.log", node)});
  });
}

void Lab::kill_proxy(std::size_t node) {
  proxies_[node - 1].reset();
}

std::string Lab::log(std::size_t node) const {
  std::ifstream file(folder_ / fmt::format("node-{}.log", node));
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Lab::on_node(std::size_t node, const std::string& script) const {
  return network_.node(node).space.shell(environment(node) + script);
}

std::string Lab::environment(std::size_t node) const {
  const auto links = make_iptables_links(folder_, options_.setup.variant);
  return fmt::format("export PATH={}:$PATH XTABLES_LOCKFILE={}/node-{}.lock\n",
                     links.string(),
                     folder_.string(),
                     node);
}

std::string Lab::iptproxy(std::size_t node, const std::string& command) const {
  return fmt::format("{} {} {}", program_path(), command, fmt::join(flags(node), " "));
}

void Lab::leave_rules_of_others(std::size_t node) const {
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    const bool ipv4 = family == Family::kIpv4;
    const std::string pods = rules::to_string(pod_network(family));
    const std::string own =
        ipv4 ? fmt::format("10.244.{}.0/24", node) : fmt::format("fd00:10:244:{}::/64", node);
    const std::string_view program = ipv4 ? "iptables" : "ip6tables";
    on_node(
        node,
        fmt::format("{program}-restore -w 5 --noflush <<'RULES'\n"
                    "*mangle\n:KUBE-IPTABLES-HINT - [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\nCOMMIT\n"
                    "*filter\n:FLANNEL-FWD - [0:0]\n"
                    "-A FORWARD -m comment --comment \"flanneld forward\" -j FLANNEL-FWD\n"
                    "-A FLANNEL-FWD -s {pods} -m comment --comment \"flanneld forward\" -j ACCEPT\n"
                    "-A FLANNEL-FWD -d {pods} -m comment --comment \"flanneld forward\" -j ACCEPT\n"
                    "COMMIT\n"
                    "*nat\n:FLANNEL-POSTRTG - [0:0]\n"
                    "-A POSTROUTING -m comment --comment \"flanneld masq\" -j FLANNEL-POSTRTG\n"
                    "-A FLANNEL-POSTRTG -m mark --mark 0x4000/0x4000 {masq} -j RETURN\n"
                    "-A FLANNEL-POSTRTG -s {pods} -d {pods} {masq} -j RETURN\n"
                    "-A FLANNEL-POSTRTG -s {pods} ! -d {multicast} {masq} -j MASQUERADE"
                    " --random-fully\n"
                    "-A FLANNEL-POSTRTG ! -s {pods} -d {own} {masq} -j RETURN\n"
                    "-A FLANNEL-POSTRTG ! -s {pods} -d {pods} {masq} -j MASQUERADE --random-fully\n"
                    "COMMIT\nRULES",
                    fmt::arg("program", program),
                    fmt::arg("pods", pods),
                    fmt::arg("own", own),
                    fmt::arg("masq", "-m comment --comment \"flanneld masq\""),
                    fmt::arg("multicast", ipv4 ? "224.0.0.0/4" : "ff00::/8")));
  }
}

}  // namespace test::lab
