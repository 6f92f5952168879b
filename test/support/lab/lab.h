#pragma once

#include <array>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/types.h"
#include "test/support/lab/answers.h"
#include "test/support/lab/network.h"
#include "test/support/lab/question.h"
#include "test/support/program.h"

namespace test::lab {

/// How the proxies of a lab program their nodes.
struct Setup {
  std::string variant = "nft";        // or "legacy": what kubelet left on the nodes
  std::string layout = "kube-proxy";  // --iptables-layout
  std::string backend = "auto";       // --iptables-backend
};

/// "legacy, compact, auto".
std::string to_string(const Setup& setup);

/// The objects of a cluster besides its nodes.
struct Objects {
  std::vector<k8sclient::Service> services;
  std::vector<k8sclient::EndpointSlice> slices;
};

/// Ports at which every pod answers (TCP, UDP, SCTP), and every node as a pod of the host's
/// network.
inline constexpr std::uint16_t kPodPort = 8080;
inline constexpr std::uint16_t kOtherPodPort = 8081;
inline constexpr std::uint16_t kNodePort = 9090;

/// A Network whose nodes look as kubelet and flannel leave them, with a server in every pod and one
/// proxy a node, each with a cluster's objects from a folder of its own. Zone "east" has node-1 and
/// node-2, zone "west" node-3. Nothing of it outlives the process: the namespaces have no names,
/// the proxies die with the thread that made the lab, and files are in a file system in memory that
/// this thread and its children alone see.
class Lab {
 public:
  struct Options {
    Setup setup = {};
    std::vector<std::string> flags = {};  // of the proxies, besides the lab's own
    std::string programs = {};            // a folder in which the proxies look for programs first
    bool has_proxies = true;
  };

  /// Returns when the proxies are at work. Throws std::system_error and std::runtime_error.
  explicit Lab(Options options);

  const Network& network() const { return network_; }

  const Host& host(std::string_view name) const { return network_.host(name); }

  /// Starts the servers of a host, or ends them: "pod-1a", "node-1".
  void serve(std::string_view host);
  void stop_serving(std::string_view host);
  AnswerServer& server(std::string_view host);

  /// Replaces the objects for all proxies, and waits until all that run have programmed them: a
  /// Service that is always among them leads a packet where it has to. Throws std::runtime_error
  /// if they do not in time.
  void apply(const Objects& objects);

  /// The same without waiting.
  void publish(const Objects& objects);

  /// Puts objects besides, or removes those that were put under the same name, without waiting.
  void publish_besides(const std::string& name, const Objects& objects) const;
  void await_programmed();

  void start_proxy(std::size_t node);
  void kill_proxy(std::size_t node);

  bool has_proxy(std::size_t node) const { return proxies_[node - 1] != nullptr; }

  const Program& proxy(std::size_t node) const { return *proxies_[node - 1]; }

  /// What the proxy has logged.
  std::string log(std::size_t node) const;

  /// A script of the shell on a node, where `iptables` and `ip6tables` are those of the variant and
  /// take the node's own lock; what it prints. Throws std::runtime_error if it fails. Thread-safe.
  std::string on_node(std::size_t node, const std::string& script) const;

  /// A command line of iptproxy on the node with the flags of its proxy.
  std::string iptproxy(std::size_t node, const std::string& command) const;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  void leave_rules_of_others(std::size_t node) const;
  std::string environment(std::size_t node) const;
  std::vector<std::string> flags(std::size_t node) const;
  void write(std::size_t node, const std::string& name, const Objects& objects) const;
  bool is_programmed(std::size_t node, rules::Family family) const;

  Options options_;
  std::filesystem::path folder_;
  Network network_;
  std::map<std::string, std::unique_ptr<AnswerServer>, std::less<>> servers_;
  std::uint16_t generation_ = 0;
  std::array<std::unique_ptr<Program>, kNodes> proxies_;
};

}  // namespace test::lab
