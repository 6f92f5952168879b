#include "proxy/iptc_backend.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "proxy/iptc_table.h"
#include "proxy/table_edit.h"
#include "proxy/xtables_lock.h"
#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"

namespace proxy {

namespace {

constexpr std::array kTables{rules::Table::kMangle, rules::Table::kFilter, rules::Table::kNat};

/// Writers that do not take the lock can get in between reading and replacing a table.
constexpr int kAttempts = 5;

bool is_environment_error(int error) {
  return error == EPERM || error == EACCES || error == EPROTONOSUPPORT || error == ENOPROTOOPT;
}

bool is_transient(int error) {
  return error == EAGAIN || error == ENOMEM || error == EINTR || error == ENOBUFS;
}

}  // namespace

IptcBackend::IptcBackend(Settings settings) : settings_(settings), socket_(settings.family) {}

rules::Installed IptcBackend::read(rules::Detail detail) {
  rules::InstalledReader reader(detail);
  for (const rules::Table table : kTables) {
    if (!legacy_table_exists(settings_.family, table)) {
      continue;
    }
    const TableShape shape = socket_.shape(table);
    if (is_large(shape.entries)) {
      read_large(table, shape, reader);
    } else {
      read_with_libiptc(settings_.family, table, reader);
    }
  }
  return std::move(reader).finish();
}

void IptcBackend::read_large(rules::Table table,
                             const TableShape& shape,
                             rules::InstalledReader& reader) {
  EntryBuffer buffer;
  socket_.read(table, shape, buffer);
  const std::span<const std::uint8_t> entries = buffer.entries();
  const TableIndex index(settings_.family, shape, entries);
  for (const TableIndex::Chain& chain : index.chains()) {
    const rules::ChainId id{table, chain.name};
    reader.chain(id);
    for (std::uint32_t offset = index.first_rule(chain); offset < index.last_entry(chain);) {
      const std::uint32_t length = rules::entry_length(entries.subspan(offset), settings_.family);
      const auto entry = entries.subspan(offset, length);
      offset += length;
      const auto verdict = rules::verdict_of(entry, settings_.family);
      const auto rule = rules::decode(
          entry, verdict ? index.label(*verdict, offset) : std::string(), settings_.family);
      if (rule) {
        reader.rule(id, *rule);
      } else {
        reader.unreadable_rule(id);
      }
    }
  }
}

std::optional<ApplyError> IptcBackend::apply(const rules::Changes& changes) {
  const auto lock = XtablesLock::acquire(settings_.lock_wait);
  if (!lock) {
    return ApplyError{.message = describe_lock_failure(settings_.lock_wait), .transient = true};
  }
  for (const rules::Table table : kTables) {
    const rules::TableChanges of_table(changes, table);
    if (of_table.empty()) {
      continue;
    }
    if (auto error = apply_table(of_table, rules::written_rules(changes, table))) {
      return error;
    }
  }
  return std::nullopt;
}

std::optional<ApplyError> IptcBackend::apply_table(const rules::TableChanges& changes,
                                                   std::size_t added) {
  for (int attempt = 1;; ++attempt) {
    try {
      const TableShape shape = socket_.shape(changes.table());
      if (is_large(shape.entries + added)) {
        apply_large(changes, shape);
      } else {
        apply_with_libiptc(settings_.family, changes);
      }
      return std::nullopt;
    } catch (const TableConflict& conflict) {
      return ApplyError{
          .message = fmt::format("table {}: {}", to_string(changes.table()), conflict.what())};
    } catch (const std::system_error& error) {
      const int number = error.code().value();
      if (is_environment_error(number)) {
        throw;
      }
      if (number != EAGAIN || attempt == kAttempts) {
        return ApplyError{.message = error.what(), .transient = is_transient(number)};
      }
    }
  }
}

void IptcBackend::apply_large(const rules::TableChanges& changes, const TableShape& shape) {
  EntryBuffer entries;
  socket_.read(changes.table(), shape, entries);
  const TableIndex index(settings_.family, shape, entries.entries());
  const TablePlan plan = plan_table(settings_.family, index, entries.entries(), changes);
  write_table(settings_.family, index, plan, changes, entries);

  const TableShape wanted = plan.index.shape();
  CounterBuffer counters;
  counters.resize(std::max(shape.entries, wanted.entries));
  socket_.replace(changes.table(), wanted, entries, shape.entries, counters);
  carry_counters(plan, counters.counters());
  socket_.add_counters(changes.table(), wanted.entries, counters);
}

}  // namespace proxy
