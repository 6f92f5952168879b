#include "rules/installed.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "rules/names.h"
#include "rules/target_chain.h"
#include "rules/text.h"

namespace rules {

namespace {

bool is_built_in(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames{
      "PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

bool InstalledReader::keeps(const ChainId& chain) {
  return is_owned(chain) ||
         (chain.table == Table::kFilter && chain.name.view() == kKubeletFirewallChain);
}

bool InstalledReader::looks_at(const ChainId& chain) {
  return keeps(chain) || is_built_in(chain.name.view());
}

void InstalledReader::chain(const ChainId& chain) {
  if (keeps(chain)) {
    digests_.try_emplace(chain);
    if (detail_ != Detail::kNames && is_shared_chain(chain)) {
      installed_.shared.try_emplace(chain);
    }
  }
}

void InstalledReader::rule(const ChainId& chain, const Rule& rule) {
  if (const auto found = digests_.find(chain); found != digests_.end()) {
    if (detail_ != Detail::kNames) {
      found->second.add(digest(rule));
      if (const auto shared = installed_.shared.find(chain); shared != installed_.shared.end()) {
        shared->second.push_back(rule);
      }
    }
    return;
  }
  const auto target = target_chain(rule);
  if (!target || !keeps({chain.table, *target})) {
    return;
  }
  if (is_built_in(chain.name.view())) {
    installed_.hooks.push_back({chain, rule});
  }
  if (detail_ == Detail::kHolders) {
    installed_.holders.push_back({chain, rule});
  }
}

void InstalledReader::unreadable_rule(const ChainId& chain) {
  unreadable_.insert(chain);
}

Installed InstalledReader::finish() && {
  installed_.chains.reserve(digests_.size());
  for (const auto& [chain, content] : digests_) {
    const bool known = detail_ != Detail::kNames && !unreadable_.contains(chain);
    installed_.chains.emplace(chain, known ? content.value() : Digest::kUnknown);
  }
  for (const ChainId& chain : unreadable_) {
    installed_.shared.erase(chain);
  }
  // Chains may have come in any order.
  std::ranges::stable_sort(installed_.hooks, {}, &Base::Hook::chain);
  std::ranges::stable_sort(installed_.holders, {}, &Base::Hook::chain);
  return std::move(installed_);
}

bool is_same_reading(const Installed& left, const Installed& right) {
  return left.chains == right.chains && left.shared == right.shared && left.hooks == right.hooks &&
         left.holders == right.holders;
}

Installed refreshed(Installed believed, const std::set<ChainId>& chains, Installed found) {
  believed.base = believed.base.without(chains, found.hooks);
  for (const ChainId& chain : chains) {
    believed.chains.erase(chain);
    believed.shared.erase(chain);
  }
  std::erase_if(believed.hooks,
                [&](const Base::Hook& hook) { return chains.contains(hook.chain); });
  believed.chains.merge(found.chains);
  believed.shared.merge(found.shared);
  std::ranges::move(found.hooks, std::back_inserter(believed.hooks));
  return believed;
}

Installed parse_installed(std::string_view save_text, Family family, Detail detail) {
  InstalledReader reader(detail);
  SaveTextReader lines(reader, family);
  while (!save_text.empty()) {
    const std::size_t end = save_text.find('\n');
    lines.line(save_text.substr(0, end));
    save_text.remove_prefix(end == std::string_view::npos ? save_text.size() : end + 1);
  }
  return std::move(reader).finish();
}

void SaveTextReader::line(std::string_view text) {
  const SaveLine line = parse_save_line(text);
  if (line.kind == SaveLine::Kind::kTable) {
    table_ = parse_table(line.name);
    return;
  }
  if (!table_ || line.name.size() > ChainName::kMaxLength) {
    return;
  }
  const ChainId chain{*table_, ChainName(line.name)};
  if (line.kind == SaveLine::Kind::kChain) {
    reader_.chain(chain);
  } else if (line.kind == SaveLine::Kind::kRule && reader_.wants(chain)) {
    if (const auto rule = parse_rule(line.rest, family_)) {
      reader_.rule(chain, *rule);
    } else {
      reader_.unreadable_rule(chain);
    }
  }
}

}  // namespace rules
