#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "rules/key_tree.h"
#include "rules/rule.h"
#include "rules/service.h"

namespace rules {

/// 64-bit hash of canonical content. Equal digests are taken for equal content.
enum class Digest : std::uint64_t { kUnknown = 0 };  // kUnknown: exists, content not read

/// Never kUnknown.
Digest digest(const Rule& rule);

/// Of a chain's rules in order; never kUnknown. An empty chain has a digest, too.
Digest digest(std::span<const Rule> rules);

/// Digest of a chain, fed rule by rule; digest(span) is defined by it.
class ChainDigest {
 public:
  void add(Digest rule);
  Digest value() const;

 private:
  std::uint64_t state_ = 0x9e3779b97f4a7c15ULL;
};

/// Where an owner's rules stand in a shared chain: those of the first rank before all others,
/// whosever they are. A cluster IP is given by the API server, an external address chosen by
/// whoever may write a Service: who names another's cluster IP there must not get its traffic
/// (CVE-2020-8554). Within a rank the order among owners carries no meaning.
enum class Rank : std::uint8_t { kFirst, kSecond };

/// One owner's rules in one chain.
struct Section {
  ChainId chain;
  std::vector<Rule> rules;
  Rank rank = Rank::kFirst;  // of entries in shared chains; no meaning elsewhere

  bool operator==(const Section&) const = default;
};

/// A rule and whose it is; null: nobody's.
struct OwnedRule {
  std::shared_ptr<const struct CompiledService> service;
  Rule rule;
};

/// All rules of one owner. Blocks of Services are closed: they refer to their own chains and to
/// fixed chains only, so any of them can be left out (quarantine) without breaking another.
struct Block {
  std::vector<Section> chains;   // chains that belong to this owner alone
  std::vector<Section> entries;  // its rules in shared chains (is_shared_chain), at most one
                                 // section for each chain and rank

  bool operator==(const Block&) const = default;
};

/// The rules that everything else hangs on: fixed chains, and how the built-in chains lead to them.
struct Base {
  /// A rule in a built-in chain; it goes to the head of the chain unless it is there already (spec
  /// §2.2).
  struct Hook {
    ChainId chain;
    Rule rule;
    bool operator==(const Hook&) const = default;
  };

  std::vector<Section> chains;  // fixed chains with their whole content
  std::vector<Section> shared;  // shared chains with the rules that must stand last in them
  std::vector<ChainId>
      present;  // chains that must exist and whose content is nobody's business (canaries)
  std::vector<Hook> hooks;  // in the order of spec §2.1; each is inserted at position 1, so the
                            // last ends up first

  bool operator==(const Base&) const = default;
};

/// What the compiler remembers of a service port's block: digests in place of rules, which can be
/// made again at any time because compiling is pure. It keeps 10,000 Services of 10 endpoints
/// within a few megabytes.
struct CompiledService {
  struct Chain {
    ChainId id;
    Digest content = Digest::kUnknown;
    std::uint32_t rules = 0;
  };

  struct Entries {
    ChainId chain;
    Rank rank = Rank::kFirst;
    std::vector<Digest> rules;
    std::vector<PacketKey> keys;  // of each rule; none in kube-proxy's layout
  };

  ServicePortName name;
  std::shared_ptr<const ServicePort> port;
  std::vector<Chain> chains;
  std::vector<Entries> entries;
  std::uint32_t filter_rules = 0;
  std::uint32_t nat_rules = 0;
};

}  // namespace rules
