#include "proxy/legacy/shapes.h"

#include <array>
#include <utility>

#include <sys/inotify.h>
#include <unistd.h>

#include "proxy/legacy/table.h"
#include "proxy/legacy/xtables_lock.h"
#include "rules/iptc_frame.h"

namespace proxy {

using rules::Table;

namespace {

constexpr std::array kTables{Table::kMangle, Table::kFilter, Table::kNat};

}  // namespace

LegacyShapes::LegacyShapes(rules::Family family)
    : family_(family), socket_(family), events_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
  follow_lock();
}

/// The file may be another one than before, or not be there yet: then nothing is announced.
void LegacyShapes::follow_lock() {
  inotify_add_watch(events_.get(), xtables_lock_path().c_str(), IN_CLOSE);
}

ChangedChains LegacyShapes::changes() {
  alignas(inotify_event) std::array<char, 4096> buffer;
  while (read(events_.get(), buffer.data(), buffer.size()) > 0) {
  }
  follow_lock();
  return {.all = look(), .chains = {}};
}

bool LegacyShapes::look() {
  bool changed = false;
  for (const Table table : kTables) {
    const TableShape shape =
        legacy_table_exists(family_, table) ? socket_.shape(table) : TableShape{};
    TableShape& known = known_[table];
    changed = changed || shape != known;
    known = shape;
  }
  return changed;
}

ChangedChains LegacyShapes::recheck() {
  ChangedChains changed = changes();
  EntryBuffer memory;
  std::map<Table, std::size_t> hashes;
  for (const Table table : kTables) {
    if (legacy_table_exists(family_, table)) {
      hashes[table] = retry_if_replaced([&] {
        socket_.read(table, socket_.shape(table), memory);
        return rules::hash_of(std::as_const(memory).entries(), family_);
      });
    }
  }
  changed.add({.all = hashes != std::exchange(hashes_, hashes), .chains = {}});
  return changed;
}

}  // namespace proxy
