#include "test/support/fake_kernel.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <system_error>

namespace test {

using rules::Base;
using rules::ChainId;
using rules::ChainName;
using rules::Changes;
using rules::Rule;
using rules::Table;

FakeKernel::FakeKernel(rules::Family family) : family_(family) {
  for (const auto* name : {"PREROUTING", "INPUT", "OUTPUT", "POSTROUTING", "FORWARD"}) {
    for (const Table table : {Table::kMangle, Table::kNat, Table::kFilter}) {
      chains[{table, ChainName(name)}];
    }
  }
}

rules::Installed FakeKernel::read(rules::Detail detail) {
  ++reads;
  return read_if(detail, [](const ChainId&) { return true; });
}

std::optional<rules::Installed> FakeKernel::read_some(const std::set<ChainId>& wanted) {
  if (!reads_some) {
    return std::nullopt;
  }
  ++partial_reads;
  return read_if(rules::Detail::kContents,
                 [&](const ChainId& chain) { return wanted.contains(chain); });
}

template <typename Predicate>
rules::Installed FakeKernel::read_if(rules::Detail detail, Predicate is_wanted) {
  if (fail_next_reads > 0) {
    --fail_next_reads;
    throw std::system_error(EAGAIN, std::generic_category(), "the tables change too fast");
  }
  rules::InstalledReader reader(detail);
  for (const auto& [chain, content] : chains) {
    if (is_wanted(chain)) {
      reader.chain(chain);
      for (const Rule& rule : content) {
        reader.rule(chain, rule);
      }
    }
  }
  return std::move(reader).finish();
}

std::optional<proxy::ApplyError> FakeKernel::apply(const Changes& changes) {
  ++applies;
  if (written_rules(changes, Table::kNat) > memory) {
    throw std::bad_alloc();
  }
  if (fail_next > 0) {
    --fail_next;
    return proxy::ApplyError{"the lock is held", std::nullopt, true};
  }
  const auto before = chains;
  const std::size_t written_before = rules_written;
  auto error = try_apply(changes);
  if (error) {
    chains = before;
    rules_written = written_before;
  }
  return error;
}

std::optional<proxy::ApplyError> FakeKernel::try_apply(const Changes& changes) {
  const auto refused = [&](const Rule& rule) { return refuses && refuses(rule); };
  const auto error = [](const std::string& message) {
    return proxy::ApplyError{message, std::nullopt, false};
  };
  const auto write = [&](const ChainId& chain, std::vector<Rule> content) {
    rules_written += content.size();
    chains[chain] = std::move(content);
  };
  for (const auto& service : changes.services) {
    for (auto& section : sections(changes, service)) {
      if (std::any_of(section.rules.begin(), section.rules.end(), refused)) {
        auto refusal = error("a rule of " + to_string(section.chain) + " was refused");
        if (names_the_service) {
          refusal.service = service.service->name;
        }
        return refusal;
      }
      write(section.chain, std::move(section.rules));
    }
  }
  for (const auto& section : changes.chains) {
    if (std::any_of(section.rules.begin(), section.rules.end(), refused)) {
      return error("a rule of " + to_string(section.chain) + " was refused");
    }
    write(section.chain, section.rules);
  }
  for (const ChainId& chain : changes.present) {
    chains[chain];
  }
  for (const auto& edit : changes.shared) {
    auto& content = chains[edit.chain];
    if (edit.rewrite) {
      content.clear();
    }
    for (const Rule& rule : edit.remove) {
      const auto found = std::find(content.begin(), content.end(), rule);
      if (found == content.end()) {
        return error("no such rule in " + to_string(edit.chain));
      }
      content.erase(found);
    }
    std::vector<Rule> added;
    for (const auto* rules : {&edit.insert, &edit.append}) {
      for (const auto& insertion : *rules) {
        if (refused(insertion.rule)) {
          return error("a rule of " + to_string(edit.chain) + " was refused");
        }
        added.push_back(insertion.rule);
      }
    }
    rules_written += added.size() + edit.last.size();
    const auto middle = added.begin() + static_cast<std::ptrdiff_t>(edit.insert.size());
    content.insert(content.begin(), added.begin(), middle);
    content.insert(content.end(), middle, added.end());
    content.insert(content.end(), edit.last.begin(), edit.last.end());
  }
  for (const Base::Hook& hook : changes.remove_hooks) {
    auto& content = chains[hook.chain];
    const auto found = std::find(content.begin(), content.end(), hook.rule);
    if (found == content.end()) {
      return error("no such hook in " + to_string(hook.chain));
    }
    content.erase(found);
  }
  for (const Base::Hook& hook : changes.insert_hooks) {
    auto& content = chains[hook.chain];
    content.insert(content.begin(), hook.rule);
  }
  for (const ChainId& chain : changes.remove) {
    if (!chains.contains(chain)) {
      return error(to_string(chain) + " does not exist");
    }
    chains[chain].clear();
  }
  for (const ChainId& chain : changes.remove) {
    chains.erase(chain);
  }
  return check();
}

std::optional<proxy::ApplyError> FakeKernel::check() const {
  for (const auto& [chain, content] : chains) {
    for (const Rule& rule : content) {
      const ChainName* target = jump_target(rule);
      if (target != nullptr && !chains.contains({chain.table, *target})) {
        return proxy::ApplyError{to_string(chain) + " jumps to " + std::string(target->view()) +
                                     ", which does not exist",
                                 std::nullopt,
                                 false};
      }
    }
  }
  return std::nullopt;
}

}  // namespace test
