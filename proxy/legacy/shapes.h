#pragma once

#include <map>

#include "proxy/legacy/xtables_socket.h"
#include "rules/net.h"
#include "rules/rule.h"

namespace proxy {

/// The shapes of those legacy tables that exist, as they were last seen. For one thread.
class LegacyShapes {
 public:
  /// Throws std::system_error without the right to ask.
  explicit LegacyShapes(rules::Family family) : family_(family), socket_(family) {}

  /// True if a table is not as it was when this was last asked.
  bool look();

 private:
  rules::Family family_;
  XtablesSocket socket_;
  std::map<rules::Table, TableShape> known_;
};

}  // namespace proxy
