#include "proxy/legacy/xtables_socket.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <string>

#include <arpa/inet.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include "proxy/host/address_family.h"

namespace proxy {

namespace {

// Both families have the same numbers and the same structures.
static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO && IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES &&
              IPT_SO_SET_REPLACE == IP6T_SO_SET_REPLACE &&
              IPT_SO_SET_ADD_COUNTERS == IP6T_SO_SET_ADD_COUNTERS);
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo));
static_assert(sizeof(ipt_replace) == sizeof(ip6t_replace));
static_assert(sizeof(ipt_get_entries) == sizeof(ip6t_get_entries));

static_assert(offsetof(ipt_replace, entries) == EntryBuffer::kHeadroom);
static_assert(offsetof(xt_counters_info, counters) == CounterBuffer::kHeadroom);
static_assert(sizeof(xt_counters) == sizeof(Counter));

template <std::size_t N>
void copy_name(char (&out)[N], rules::Table table) {
  const std::string_view name = rules::to_string(table);
  std::copy_n(name.begin(), std::min(name.size(), N - 1), out);
}

std::string about(const char* action, rules::Table table) {
  return std::string(action) + " table " + std::string(rules::to_string(table));
}

}  // namespace

std::span<Counter> CounterBuffer::counters() {
  return {reinterpret_cast<Counter*>(pages_.bytes().data() + kHeadroom),
          (pages_.size() - kHeadroom) / sizeof(Counter)};
}

XtablesSocket::XtablesSocket(rules::Family family)
    : socket_(socket(address_family(family), SOCK_DGRAM | SOCK_CLOEXEC, 0)),
      level_(family == rules::Family::kIpv4 ? IPPROTO_IP : IPPROTO_IPV6) {
  if (!socket_) {
    throw_errno("cannot open a socket");
  }
}

bool XtablesSocket::has_match(std::string_view name, std::uint8_t revision) const {
  xt_get_revision asked{};
  std::copy_n(name.begin(), std::min(name.size(), sizeof(asked.name) - 1), asked.name);
  asked.revision = revision;
  socklen_t length = sizeof(asked);
  const int option = level_ == IPPROTO_IP ? IPT_SO_GET_REVISION_MATCH : IP6T_SO_GET_REVISION_MATCH;
  if (getsockopt(socket_.get(), level_, option, &asked, &length) == 0) {
    return true;
  }
  if (errno != ENOENT && errno != EPROTONOSUPPORT) {
    throw_errno("cannot ask for the matches of iptables");
  }
  return false;
}

TableShape XtablesSocket::shape(rules::Table table) const {
  ipt_getinfo info{};
  copy_name(info.name, table);
  socklen_t length = sizeof(info);
  if (getsockopt(socket_.get(), level_, IPT_SO_GET_INFO, &info, &length) != 0) {
    throw_errno(about("cannot look at", table));
  }
  TableShape shape;
  shape.valid_hooks = info.valid_hooks;
  for (std::size_t hook = 0; hook < TableShape::kHooks; ++hook) {
    if (shape.has_hook(hook)) {  // the others have arbitrary numbers
      shape.hook_entries[hook] = info.hook_entry[hook];
      shape.underflows[hook] = info.underflow[hook];
    }
  }
  shape.entries = info.num_entries;
  shape.size = info.size;
  return shape;
}

void XtablesSocket::read(rules::Table table, const TableShape& shape, EntryBuffer& buffer) const {
  buffer.resize(shape.size);
  ipt_get_entries header{};
  copy_name(header.name, table);
  header.size = shape.size;
  std::uint8_t* message = buffer.entries().data() - offsetof(ipt_get_entries, entrytable);
  std::memcpy(message, &header, sizeof(header));
  auto length = static_cast<socklen_t>(offsetof(ipt_get_entries, entrytable) + shape.size);
  if (getsockopt(socket_.get(), level_, IPT_SO_GET_ENTRIES, message, &length) != 0) {
    throw_errno(about("cannot read", table));
  }
}

void XtablesSocket::replace(rules::Table table,
                            const TableShape& shape,
                            EntryBuffer& entries,
                            const Replaced& replaced) const {
  ipt_replace header{};
  copy_name(header.name, table);
  header.valid_hooks = shape.valid_hooks;
  header.num_entries = shape.entries;
  header.size = shape.size;
  std::copy(shape.hook_entries.begin(), shape.hook_entries.end(), header.hook_entry);
  std::copy(shape.underflows.begin(), shape.underflows.end(), header.underflow);
  header.num_counters = replaced.entries;
  header.counters = reinterpret_cast<xt_counters*>(replaced.counters.counters().data());
  std::memcpy(entries.message().data(), &header, sizeof(header));
  if (setsockopt(socket_.get(),
                 level_,
                 IPT_SO_SET_REPLACE,
                 entries.message().data(),
                 static_cast<socklen_t>(EntryBuffer::kHeadroom + shape.size)) != 0) {
    throw_errno(about("cannot replace", table));
  }
}

bool XtablesSocket::add_counters(rules::Table table,
                                 std::uint32_t count,
                                 CounterBuffer& counters) const {
  xt_counters_info header{};
  copy_name(header.name, table);
  header.num_counters = count;
  std::memcpy(counters.message().data(), &header, sizeof(header));
  const auto size = static_cast<socklen_t>(CounterBuffer::kHeadroom + count * sizeof(Counter));
  const int result =
      setsockopt(socket_.get(), level_, IPT_SO_SET_ADD_COUNTERS, counters.message().data(), size);
  if (result != 0 && errno != EINVAL && errno != EAGAIN) {
    throw_errno(about("cannot set counters of", table));
  }
  return result == 0;
}

bool may_use_libiptc(rules::Family family) {
  const Descriptor raw(socket(address_family(family), SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!raw && errno != EPERM && errno != EACCES) {
    throw_errno("cannot open a raw socket");
  }
  return static_cast<bool>(raw);
}

bool legacy_table_exists(rules::Family family, rules::Table table) {
  const char* path =
      family == rules::Family::kIpv4 ? "/proc/net/ip_tables_names" : "/proc/net/ip6_tables_names";
  errno = 0;
  std::ifstream names(path);
  if (!names && errno != ENOENT) {  // which means that the module is not loaded: no table
    throw_errno(std::string("cannot read ") + path);
  }
  std::string name;
  while (names >> name) {
    if (name == rules::to_string(table)) {
      return true;
    }
  }
  return false;
}

}  // namespace proxy
