#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "proxy/kernel/nfnetlink.h"
#include "rules/tables.h"

namespace proxy {

/// What a reading is for, and where it goes. Called by one thread at a time.
class NftFound {
 public:
  NftFound() = default;
  NftFound(const NftFound&) = delete;
  NftFound& operator=(const NftFound&) = delete;
  virtual ~NftFound() = default;

  /// Whether it is to be told of that chain.
  virtual bool wants(const rules::ChainId& chain) const = 0;
  /// Whether it is to be told of the rules of a chain that it wants.
  virtual bool wants_rules(const rules::ChainId& chain) const = 0;
  /// The chain exists; of a built-in one with its policy.
  virtual void chain(const rules::ChainId& chain, std::optional<rules::Tables::Policy> policy) = 0;
  /// After its chain; rules of a chain in their order.
  virtual void rule(const rules::ChainId& chain, const rules::Rule& rule) = 0;
};

/// One reading of the tables that iptables-nft writes. The rules are asked for chain by chain, as
/// iptables does it: the kernel finds its place in a dump of many chains anew for each part, which
/// takes a minute for 100,000 of them. But many chains are asked for in one send: all but long ones
/// are answered before it returns. And many chains are read by two threads, each with a socket of
/// its own, as the kernel answers them side by side. Methods throw std::system_error.
class NftReader {
 public:
  /// `found` must outlive it.
  NftReader(rules::Family family, NftFound& found);

  void read_all();

  /// These chains alone, as far as they exist.
  void read_some(const std::set<rules::ChainId>& chains);

  /// Nobody committed anything meanwhile.
  bool is_consistent() const { return is_consistent_; }

 private:
  /// What a thread has read and not yet handed over.
  struct Part {
    std::vector<rules::ChainId> asked;
    std::vector<std::pair<std::size_t, rules::Rule>> rules;  // by the index of their chain
    std::optional<std::uint16_t> generation;
    bool is_consistent = true;
  };

  void read_rules();
  void take_turns(NfnetlinkSocket& socket);
  std::vector<rules::ChainId> take_last(std::size_t count);
  void give_back(const rules::ChainId& chain);
  std::size_t read_part(NfnetlinkSocket& socket, Part& part);
  void hand_over(Part& part);
  void look_at_generation();
  bool ask_for_chains(const NfnetlinkRequest& request);
  void take_chain(const nlmsghdr* message);
  void note_generation(std::uint16_t generation);

  rules::Family family_;
  NftFound& found_;
  NfnetlinkSocket socket_;
  std::mutex mutex_;                    // of what follows, while rules are read
  std::vector<rules::ChainId> chains_;  // whose rules are to be read; the last ones first
  std::optional<std::uint16_t> generation_;
  bool is_consistent_ = true;
};

/// Throws std::system_error.
bool nft_chain_exists(NfnetlinkSocket& socket, rules::Family family, const rules::ChainId& chain);

}  // namespace proxy
