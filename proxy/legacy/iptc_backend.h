#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "proxy/legacy/table.h"
#include "proxy/legacy/xtables_lock.h"
#include "proxy/legacy/xtables_socket.h"
#include "proxy/tables/backend.h"
#include "proxy/tables/foreign_changes.h"
#include "rules/table_changes.h"

namespace proxy {

/// The legacy kernel interface in process: no iptables program is run. Each table is one atomic
/// commit, under the lock that iptables takes. Small tables go through libiptc; large ones, for
/// which libiptc needs too much memory and time, are edited as the kernel holds them
/// (proxy/table_edit.h). Of a large table the entries are kept from one commit to the next: reading
/// them takes the kernel almost as long as replacing them. They are read again if anybody else has
/// used the lock since, or the kernel's table has another shape.
class IptcBackend : public Backend {
 public:
  struct Settings {
    rules::Family family = rules::Family::kIpv4;
    std::shared_ptr<XtablesLock> lock;  // the one of this process; not null
    std::chrono::seconds lock_wait{5};
    std::size_t libiptc_rules = 4000;  // tables of more rules are large
  };

  /// `foreign_changes` must outlive it.
  IptcBackend(Settings settings, ForeignChanges& foreign_changes);

  rules::Installed read(rules::Detail detail) override;

  /// Nothing: the kernel gives a table as a whole.
  std::optional<rules::Installed> read_some(const std::set<rules::ChainId>& chains) override;

  std::optional<ApplyError> apply(const rules::Changes& changes) override;

 private:
  using Hold = XtablesLock::Hold;

  /// A large table as the kernel held it at the end of a hold of the lock.
  struct Held {
    LegacyTable table;
    std::uint64_t foreign_holds = 0;
  };

  bool is_large(std::size_t rules) const { return rules > settings_.libiptc_rules; }

  Held read_large(rules::Table table, const Hold* hold);
  void feed(const LegacyTable& held, rules::Table table, rules::InstalledReader& reader) const;
  std::optional<ApplyError> apply_tables(const rules::Changes& changes, const Hold& hold);
  std::optional<ApplyError> apply_table(const rules::TableChanges& changes,
                                        std::size_t added,
                                        const Hold& hold);
  void apply_large(const rules::TableChanges& changes, const TableShape& shape, const Hold& hold);

  Settings settings_;
  ForeignChanges& foreign_changes_;
  XtablesSocket socket_;
  std::map<rules::Table, Held> held_;
};

}  // namespace proxy
