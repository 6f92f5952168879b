#include "proxy/legacy/table.h"

#include <utility>

namespace proxy {

LegacyTable read_table(const XtablesSocket& socket,
                       rules::Family family,
                       rules::Table table,
                       EntryBuffer memory) {
  return retry_if_replaced([&] {
    const TableShape shape = socket.shape(table);
    socket.read(table, shape, memory);
    TableIndex index(family, shape, std::as_const(memory).entries());
    return LegacyTable{.shape = shape, .entries = std::move(memory), .index = std::move(index)};
  });
}

}  // namespace proxy
