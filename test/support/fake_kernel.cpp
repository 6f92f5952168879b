#include "test/support/fake_kernel.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>

namespace test {

using rules::Base;
using rules::ChainId;
using rules::ChainName;
using rules::Changes;
using rules::Rule;
using rules::Table;

namespace {

/// What iptables-restore would say no to.
class Refused : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace

FakeKernel::FakeKernel() {
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

void FakeKernel::write(const ChainId& chain, std::vector<Rule> content) {
  for (const Rule& rule : content) {
    require_accepted(chain, rule);
  }
  rules_written += content.size();
  chains[chain] = std::move(content);
}

void FakeKernel::require_accepted(const ChainId& chain, const Rule& rule) const {
  if (refuses && refuses(rule)) {
    throw Refused("a rule of " + to_string(chain) + " was refused");
  }
}

void FakeKernel::erase(const ChainId& chain, const Rule& rule) {
  auto& content = chains[chain];
  const auto found = std::find(content.begin(), content.end(), rule);
  if (found == content.end()) {
    throw Refused("no such rule in " + to_string(chain));
  }
  content.erase(found);
}

void FakeKernel::edit(const rules::SharedEdit& edit) {
  auto& content = chains[edit.chain];
  if (edit.rewrite) {
    content.clear();
  }
  for (const Rule& rule : edit.remove) {
    erase(edit.chain, rule);
  }
  std::vector<Rule> added;
  for (const auto* rules : {&edit.insert, &edit.append}) {
    for (const auto& insertion : *rules) {
      require_accepted(edit.chain, insertion.rule);
      added.push_back(insertion.rule);
    }
  }
  rules_written += added.size() + edit.last.size();
  const auto middle = added.begin() + static_cast<std::ptrdiff_t>(edit.insert.size());
  content.insert(content.begin(), added.begin(), middle);
  content.insert(content.end(), middle, added.end());
  content.insert(content.end(), edit.last.begin(), edit.last.end());
}

void FakeKernel::remove(const std::vector<ChainId>& gone) {
  for (const ChainId& chain : gone) {
    if (!chains.contains(chain)) {
      throw Refused(to_string(chain) + " does not exist");
    }
  }
  for (const ChainId& chain : gone) {
    chains.erase(chain);
  }
}

std::optional<proxy::ApplyError> FakeKernel::try_apply(const Changes& changes) {
  std::optional<rules::ServicePortName> at_work;
  try {
    for (const auto& service : changes.services) {
      at_work = service.service->name;
      for (auto& section : sections(changes, service)) {
        write(section.chain, std::move(section.rules));
      }
    }
    at_work.reset();
    for (const auto& section : changes.chains) {
      write(section.chain, section.rules);
    }
    for (const ChainId& chain : changes.present) {
      chains[chain];
    }
    for (const auto& shared : changes.shared) {
      edit(shared);
    }
    for (const Base::Hook& hook : changes.remove_hooks) {
      erase(hook.chain, hook.rule);
    }
    for (const Base::Hook& hook : changes.insert_hooks) {
      auto& content = chains[hook.chain];
      content.insert(content.begin(), hook.rule);
    }
    remove(changes.remove);
  } catch (const Refused& refused) {
    return proxy::ApplyError{refused.what(), names_the_service ? at_work : std::nullopt, false};
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
