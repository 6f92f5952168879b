#pragma once

#include <cerrno>
#include <system_error>

#include "proxy/legacy/table_index.h"
#include "proxy/legacy/xtables_socket.h"
#include "rules/rule.h"

namespace proxy {

/// A legacy table as the kernel held it at one moment.
struct LegacyTable {
  TableShape shape;
  EntryBuffer entries;
  TableIndex index;
};

/// Takes the steps of which the kernel refuses one with EAGAIN if somebody who does not take the
/// xtables lock replaced the table in between. They are taken anew then, at most 50 times. What
/// is thrown otherwise, or at last, is passed on.
template <typename Steps>
auto retry_if_replaced(Steps steps) {
  constexpr int kAttempts = 50;
  for (int attempt = 1;; ++attempt) {
    try {
      return steps();
    } catch (const std::system_error& error) {
      if (error.code().value() != EAGAIN || attempt == kAttempts) {
        throw;
      }
    }
  }
}

/// Reads a table, whoever replaces it meanwhile; into that memory. Makes the kernel create it if
/// there is none yet. Throws std::system_error, and std::runtime_error if its entries make no
/// table.
LegacyTable read_table(const XtablesSocket& socket,
                       rules::Family family,
                       rules::Table table,
                       EntryBuffer memory = {});

}  // namespace proxy
