#pragma once

#include <chrono>
#include <cstddef>
#include <optional>

#include "proxy/backend.h"
#include "proxy/xtables_socket.h"
#include "rules/table_changes.h"

namespace proxy {

/// The legacy kernel interface in process: no iptables program is run. Each table is one atomic
/// commit, under the lock that iptables takes. Small tables go through libiptc; large ones, for
/// which libiptc needs too much memory and time, are edited as the kernel holds them
/// (proxy/table_edit.h).
class IptcBackend : public Backend {
 public:
  struct Settings {
    rules::Family family = rules::Family::kIpv4;
    std::chrono::seconds lock_wait{5};
    std::size_t libiptc_rules = 4000;  // tables of more rules are large
  };

  explicit IptcBackend(Settings settings);

  rules::Installed read(rules::Detail detail) override;
  std::optional<ApplyError> apply(const rules::Changes& changes) override;

 private:
  bool is_large(std::size_t rules) const { return rules > settings_.libiptc_rules; }

  void read_large(rules::Table table, const TableShape& shape, rules::InstalledReader& reader);
  std::optional<ApplyError> apply_table(const rules::TableChanges& changes, std::size_t added);
  void apply_large(const rules::TableChanges& changes, const TableShape& shape);

  Settings settings_;
  XtablesSocket socket_;
};

}  // namespace proxy
