#pragma once

#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "rules/compile.h"

namespace rules {

/// What the kernel is believed to hold of ours. Two forms, which add up: blocks known to be
/// installed whole (after a successful apply), and single chains (after a read, or leftovers). A
/// chain is in one of them only.
struct Installed {
  Ruleset base;                                // all of this is installed
  std::unordered_map<ChainId, Digest> chains;  // other chains of ours that exist
  std::map<ChainId, std::vector<Rule>>
      shared;                     // content of shared chains as read; they are in `chains`, too
  std::vector<Base::Hook> hooks;  // rules of built-in chains that lead to a chain of ours, as read;
                                  // beside a base, its own count
  std::vector<Base::Hook> holders;  // of kHolders: rules outside our chains that lead to one of
                                    // them, which cannot be removed as long as they do
};

/// Names only (content kUnknown, hence rewritten), or everything; or also who holds it.
enum class Detail { kNames, kContents, kHolders };

/// Builds an Installed from what a backend reads, in any order of chains, rules of a chain in
/// order. Chains that are not ours are ignored, whatever is fed. A backend feeds each declared
/// chain once, then its rules.
class InstalledReader {
 public:
  explicit InstalledReader(Detail detail) : detail_(detail) {}

  /// Chains whose content is kept: those that we own, and KUBE-FIREWALL, which we share with
  /// kubelet.
  static bool keeps(const ChainId& chain);

  /// Chains whose rules are looked at whatever the detail, which are built-in ones as well.
  static bool looks_at(const ChainId& chain);

  /// Chains whose rules this reader looks at. Others need not be fed.
  bool wants(const ChainId& chain) const { return detail_ == Detail::kHolders || looks_at(chain); }

  void chain(const ChainId& chain);
  void rule(const ChainId& chain, const Rule& rule);

  /// A rule that could not be understood: its chain's content becomes kUnknown.
  void unreadable_rule(const ChainId& chain);

  Installed finish() &&;

 private:
  Detail detail_;
  std::unordered_map<ChainId, ChainDigest> digests_;
  std::set<ChainId> unreadable_;
  Installed installed_;
};

/// Whether two readings found the same.
bool is_same_reading(const Installed& left, const Installed& right);

/// What a whole reading would find if all is as `believed` but for `chains`, of which `found` is a
/// reading: without those that do not exist, and with the hooks of the built-in ones.
Installed refreshed(Installed believed, const std::set<ChainId>& chains, Installed found);

/// Feeds an InstalledReader with iptables-save output of one family, a line at a time, so that
/// nobody has to hold the text of a large table.
class SaveTextReader {
 public:
  SaveTextReader(InstalledReader& reader, Family family) : reader_(reader), family_(family) {}

  /// Without its newline.
  void line(std::string_view text);

 private:
  InstalledReader& reader_;
  Family family_;
  std::optional<Table> table_;
};

/// The same from text that is held anyway (a saved dump).
Installed parse_installed(std::string_view save_text,
                          Family family,
                          Detail detail = Detail::kContents);

}  // namespace rules
