#include "proxy/legacy/iptc_table.h"

#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <system_error>
#include <unordered_map>
#include <vector>

#include <fmt/format.h>
#include <libiptc/libiptc.h>

#include "proxy/legacy/table_plan.h"
#include "rules/iptc_entry.h"

extern "C" {  // which this header forgets
#include <libiptc/libip6tc.h>
}

namespace proxy {

namespace {

// NOLINTBEGIN(readability-identifier-naming): the constants are functions

/// The two halves of libiptc under one name.
struct Ipv4 {
  static constexpr rules::Family kFamily = rules::Family::kIpv4;
  using Entry = ipt_entry;
  static constexpr auto init = iptc_init;
  static constexpr auto free = iptc_free;
  static constexpr auto commit = iptc_commit;
  static constexpr auto explain = iptc_strerror;
  static constexpr auto is_chain = iptc_is_chain;
  static constexpr auto create_chain = iptc_create_chain;
  static constexpr auto delete_chain = iptc_delete_chain;
  static constexpr auto flush = iptc_flush_entries;
  static constexpr auto append = iptc_append_entry;
  static constexpr auto insert = iptc_insert_entry;
  static constexpr auto remove = iptc_delete_num_entry;
  static constexpr auto first_chain = iptc_first_chain;
  static constexpr auto next_chain = iptc_next_chain;
  static constexpr auto first_rule = iptc_first_rule;
  static constexpr auto next_rule = iptc_next_rule;
  static constexpr auto target = iptc_get_target;
};

struct Ipv6 {
  static constexpr rules::Family kFamily = rules::Family::kIpv6;
  using Entry = ip6t_entry;
  static constexpr auto init = ip6tc_init;
  static constexpr auto free = ip6tc_free;
  static constexpr auto commit = ip6tc_commit;
  static constexpr auto explain = ip6tc_strerror;
  static constexpr auto is_chain = ip6tc_is_chain;
  static constexpr auto create_chain = ip6tc_create_chain;
  static constexpr auto delete_chain = ip6tc_delete_chain;
  static constexpr auto flush = ip6tc_flush_entries;
  static constexpr auto append = ip6tc_append_entry;
  static constexpr auto insert = ip6tc_insert_entry;
  static constexpr auto remove = ip6tc_delete_num_entry;
  static constexpr auto first_chain = ip6tc_first_chain;
  static constexpr auto next_chain = ip6tc_next_chain;
  static constexpr auto first_rule = ip6tc_first_rule;
  static constexpr auto next_rule = ip6tc_next_rule;
  static constexpr auto target = ip6tc_get_target;
};

// NOLINTEND(readability-identifier-naming)

template <typename Library>
class IptcTable {
 public:
  explicit IptcTable(rules::Table table)
      : name_(rules::to_string(table)), handle_(Library::init(name_.c_str())) {
    if (!handle_) {
      throw_errno("cannot read table " + name_);
    }
  }

  template <typename Visit>  // (chain, rule) or (chain, nothing) for each chain once
  void for_each(Visit visit) const {
    for (const char* chain = Library::first_chain(handle_.get()); chain != nullptr;
         chain = Library::next_chain(handle_.get())) {
      const rules::ChainName name{std::string_view(chain)};
      visit.chain(name);
      for_each_rule(chain, [&](const auto& rule) {
        visit.rule(name, rule);
        return true;
      });
    }
  }

  void create_or_flush(const std::string& chain) {
    require(Library::is_chain(chain.c_str(), handle_.get()) != 0
                ? Library::flush(chain.c_str(), handle_.get())
                : Library::create_chain(chain.c_str(), handle_.get()),
            chain);
  }

  void create_if_missing(const std::string& chain) {
    if (Library::is_chain(chain.c_str(), handle_.get()) == 0) {
      require(Library::create_chain(chain.c_str(), handle_.get()), chain);
    }
  }

  void append(const std::string& chain, const rules::Rule& rule) {
    require(Library::append(chain.c_str(), encoded(rule), handle_.get()), chain);
  }

  void insert(const std::string& chain, const rules::Rule& rule, unsigned position) {
    require(Library::insert(chain.c_str(), encoded(rule), position, handle_.get()), chain);
  }

  /// Each of the rules removes the first equal one.
  void remove(const std::string& chain, const rules::TableChanges::Rules& doomed) {
    std::unordered_map<rules::Digest, std::size_t> left;
    for (const rules::Rule* rule : doomed) {
      ++left[rules::digest(*rule)];
    }
    std::vector<unsigned> positions;
    unsigned position = 0;
    for_each_rule(chain.c_str(), [&](const auto& rule) {
      const auto found = left.find(rules::digest(rule.value_or(rules::Rule{})));
      if (found != left.end() && found->second > 0) {
        --found->second;
        positions.push_back(position);
      }
      ++position;
      return positions.size() < doomed.size();
    });
    if (positions.size() < doomed.size()) {
      throw TableConflict(fmt::format("a rule to remove is not in chain {}", chain));
    }
    for (auto doomed_position = positions.rbegin(); doomed_position != positions.rend();
         ++doomed_position) {
      require(Library::remove(chain.c_str(), *doomed_position, handle_.get()), chain);
    }
  }

  void delete_chain(const std::string& chain) {
    require(Library::delete_chain(chain.c_str(), handle_.get()), chain);
  }

  void commit() {
    if (Library::commit(handle_.get()) == 0) {
      const int error = errno;
      throw std::system_error(
          error,
          std::generic_category(),
          fmt::format("cannot replace table {} ({})", name_, Library::explain(error)));
    }
  }

 private:
  struct Free {
    void operator()(xtc_handle* handle) const { Library::free(handle); }
  };

  template <typename Visit>
  void for_each_rule(const char* chain, Visit visit) const {
    bool more = true;
    for (const auto* entry = Library::first_rule(chain, handle_.get()); entry != nullptr && more;
         entry = Library::next_rule(entry, handle_.get())) {
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(entry);
      more = visit(rules::decode(
          {bytes, entry->next_offset}, Library::target(entry, handle_.get()), Library::kFamily));
    }
  }

  const typename Library::Entry* encoded(const rules::Rule& rule) {
    const std::size_t size = rules::entry_size(rule, Library::kFamily);
    bytes_.assign((size + sizeof(std::uint64_t) - 1) / sizeof(std::uint64_t), 0);
    auto* bytes = reinterpret_cast<std::uint8_t*>(bytes_.data());
    rules::encode(rule, Library::kFamily, {bytes, size});
    auto* entry = reinterpret_cast<typename Library::Entry*>(bytes);
    if (const auto label = rules::target_label(rule)) {
      // libiptc wants the name of the verdict or chain where the kernel has that of the extension.
      auto* target = reinterpret_cast<xt_entry_target*>(bytes + entry->target_offset);
      label->copy(target->u.user.name, sizeof(target->u.user.name) - 1);
    }
    return entry;
  }

  static void require(int result, const std::string& chain) {
    if (result == 0) {
      throw TableConflict(fmt::format("chain {}: {}", chain, Library::explain(errno)));
    }
  }

  std::string name_;
  std::unique_ptr<xtc_handle, Free> handle_;
  std::vector<std::uint64_t> bytes_;  // aligned for an entry
};

template <typename Library>
void read(rules::Table table, rules::InstalledReader& reader) {
  struct Feed {
    rules::Table table;
    rules::InstalledReader& reader;

    void chain(const rules::ChainName& name) { reader.chain({table, name}); }

    void rule(const rules::ChainName& name, const std::optional<rules::Rule>& rule) {
      if (rule) {
        reader.rule({table, name}, *rule);
      } else {
        reader.unreadable_rule({table, name});
      }
    }
  };

  IptcTable<Library>(table).for_each(Feed{table, reader});
}

template <typename Library>
void apply(const rules::TableChanges& changes) {
  IptcTable<Library> table(changes.table());
  // All chains first: jumps may go anywhere.
  changes.for_each_whole(
      [&](const auto& chain, const auto&) { table.create_or_flush(std::string(chain.view())); });
  for (const rules::ChainName& chain : changes.present()) {
    table.create_if_missing(std::string(chain.view()));
  }
  changes.for_each_whole([&](const auto& chain, const auto& rules) {
    for (const rules::Rule* rule : rules) {
      table.append(std::string(chain.view()), *rule);
    }
  });
  for (const auto& edit : changes.edits()) {
    const std::string chain(edit.chain.view());
    table.remove(chain, edit.remove);
    unsigned position = 0;
    for (const rules::Rule* rule : edit.insert) {
      table.insert(chain, *rule, position++);
    }
    for (const rules::Rule* rule : edit.append) {
      table.append(chain, *rule);
    }
  }
  for (const rules::ChainName& chain : changes.removals()) {
    table.create_or_flush(std::string(chain.view()));
  }
  for (const rules::ChainName& chain : changes.removals()) {
    table.delete_chain(std::string(chain.view()));
  }
  table.commit();
}

}  // namespace

void read_with_libiptc(rules::Family family, rules::Table table, rules::InstalledReader& reader) {
  if (family == rules::Family::kIpv4) {
    read<Ipv4>(table, reader);
  } else {
    read<Ipv6>(table, reader);
  }
}

void apply_with_libiptc(rules::Family family, const rules::TableChanges& changes) {
  if (family == rules::Family::kIpv4) {
    apply<Ipv4>(changes);
  } else {
    apply<Ipv6>(changes);
  }
}

}  // namespace proxy
