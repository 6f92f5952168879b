#include "proxy/legacy/iptc_backend.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "proxy/legacy/iptc_table.h"
#include "proxy/legacy/table_edit.h"
#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"

namespace proxy {

namespace {

constexpr std::array kTables{rules::Table::kMangle, rules::Table::kFilter, rules::Table::kNat};

constexpr std::chrono::milliseconds kReadWait{100};

bool is_environment_error(int error) {
  return error == EPERM || error == EACCES || error == EPROTONOSUPPORT || error == ENOPROTOOPT;
}

bool is_transient(int error) {
  return error == EAGAIN || error == ENOMEM || error == EINTR || error == ENOBUFS;
}

}  // namespace

IptcBackend::IptcBackend(Settings settings, ForeignChanges& foreign_changes)
    : settings_(std::move(settings)),
      foreign_changes_(foreign_changes),
      socket_(settings_.family) {}

rules::Installed IptcBackend::read(rules::Detail detail) {
  foreign_changes_.before_reading();
  rules::InstalledReader reader(detail);
  for (const rules::Table table : kTables) {
    if (!legacy_table_exists(settings_.family, table)) {
      continue;
    }
    if (!is_large(socket_.shape(table).entries)) {
      read_with_libiptc(settings_.family, table, reader);
      continue;
    }
    // Reading needs no lock, but what was read under it can be kept for the next commit.
    const auto hold = settings_.lock->acquire(kReadWait);
    Held held = read_large(table, hold ? &*hold : nullptr);
    feed(held.table, table, reader);
    held_.insert_or_assign(table, std::move(held));
  }
  return std::move(reader).finish();
}

IptcBackend::Held IptcBackend::read_large(rules::Table table, const Hold* hold) {
  EntryBuffer memory;
  if (auto old = held_.extract(table)) {
    memory = std::move(old.mapped().table.entries);  // never two tables at once
  }
  return {.table = read_table(socket_, settings_.family, table, std::move(memory)),
          .foreign_holds = hold != nullptr ? hold->foreign_holds() : 0};
}

void IptcBackend::feed(const LegacyTable& held,
                       rules::Table table,
                       rules::InstalledReader& reader) const {
  const rules::Family family = settings_.family;
  for (const TableIndex::Chain& chain : held.index.chains()) {
    const rules::ChainId id{table, chain.name};
    reader.chain(id);
    const std::uint32_t end = held.index.last_entry(chain);
    for (std::uint32_t offset = held.index.first_rule(chain); offset < end;) {
      const auto rest = held.entries.entries().subspan(offset);
      const auto entry = rest.first(rules::entry_length(rest, family));
      offset += static_cast<std::uint32_t>(entry.size());
      const auto verdict = rules::verdict_of(entry, family);
      const auto rule = rules::decode(
          entry, verdict ? held.index.label(*verdict, offset) : std::string(), family);
      if (rule) {
        reader.rule(id, *rule);
      } else {
        reader.unreadable_rule(id);
      }
    }
  }
}

std::optional<rules::Installed> IptcBackend::read_some(const std::set<rules::ChainId>& /*chains*/) {
  return std::nullopt;
}

std::optional<ApplyError> IptcBackend::apply(const rules::Changes& changes) {
  const auto hold = settings_.lock->acquire(settings_.lock_wait);
  if (!hold) {
    return ApplyError{.message = describe_lock_failure(settings_.lock_wait), .transient = true};
  }
  const OwnCommit commit(foreign_changes_);
  return apply_tables(changes, *hold);
}

std::optional<ApplyError> IptcBackend::apply_tables(const rules::Changes& changes,
                                                    const Hold& hold) {
  for (const rules::Table table : kTables) {
    const rules::TableChanges of_table(changes, table);
    if (of_table.empty()) {
      continue;
    }
    if (auto error = apply_table(of_table, rules::written_rules(changes, table), hold)) {
      return error;
    }
  }
  return std::nullopt;
}

std::optional<ApplyError> IptcBackend::apply_table(const rules::TableChanges& changes,
                                                   std::size_t added,
                                                   const Hold& hold) {
  try {
    retry_if_replaced([&] {
      const TableShape shape = socket_.shape(changes.table());
      if (is_large(shape.entries + added)) {
        apply_large(changes, shape, hold);
      } else {
        held_.erase(changes.table());
        apply_with_libiptc(settings_.family, changes);
      }
    });
  } catch (const TableConflict& conflict) {
    return ApplyError{.message =
                          fmt::format("table {}: {}", to_string(changes.table()), conflict.what())};
  } catch (const std::system_error& error) {
    const int number = error.code().value();
    if (is_environment_error(number)) {
      throw;
    }
    return ApplyError{.message = error.what(), .transient = is_transient(number)};
  }
  return std::nullopt;
}

void IptcBackend::apply_large(const rules::TableChanges& changes,
                              const TableShape& shape,
                              const Hold& hold) {
  const auto known = held_.find(changes.table());
  const bool is_current = known != held_.end() && known->second.table.shape == shape &&
                          known->second.foreign_holds == hold.foreign_holds();
  // What is held is given back at the end only: after a failure it is not what the kernel has.
  Held held =
      is_current ? std::move(held_.extract(known).mapped()) : read_large(changes.table(), &hold);
  LegacyTable& table = held.table;
  const std::uint32_t replaced = table.shape.entries;
  CounterBuffer counters;
  {
    TablePlan plan =
        plan_table(settings_.family, table.index, std::as_const(table.entries).entries(), changes);
    write_table(table.index, plan, changes, table.entries);
    table.index = std::move(plan.index);
    table.shape = table.index.shape();
    plan.whole = {};
    counters.resize(std::max(replaced, table.shape.entries));
    socket_.replace(changes.table(), table.shape, table.entries, {replaced, counters});
    carry_counters(plan, counters.counters());
  }
  if (socket_.add_counters(changes.table(), table.shape.entries, counters)) {
    held_.insert_or_assign(changes.table(), std::move(held));
  }
}

}  // namespace proxy
