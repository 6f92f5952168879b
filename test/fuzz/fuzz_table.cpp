// Any bytes as a legacy table of the kernel: rules from text are encoded as a table, some of its
// bytes changed, and then it is refused or read, but nothing else.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

#include "proxy/legacy/table_index.h"
#include "rules/iptc_entry.h"
#include "rules/iptc_frame.h"
#include "rules/text.h"

namespace {

using namespace rules;  // NOLINT(google-build-using-namespace): a program of one function
using Bytes = std::vector<std::uint8_t>;

std::span<std::uint8_t> grown(Bytes& bytes, std::size_t size) {
  bytes.resize(bytes.size() + size);
  return std::span(bytes).last(size);
}

/// One chain with every rule of the text that can be encoded, and the end mark.
Bytes table_of(std::string_view text, Family family, std::uint32_t& entries) {
  Bytes table;
  encode_head("CHAIN", family, grown(table, head_size(family)));
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto rule = parse_rule(parse_save_line(line).rest, family);
    try {
      if (rule) {
        Bytes entry(entry_size(*rule, family));
        encode(*rule, family, entry);
        table.insert(table.end(), entry.begin(), entry.end());
        ++entries;
      }
    } catch (const std::logic_error&) {
      // a rule of others, which is read and never written
    }
  }
  encode_final_return(family, grown(table, final_size(family)));
  encode_head("ERROR", family, grown(table, head_size(family)));
  entries += 3;
  return table;
}

void read_table(std::span<const std::uint8_t> bytes,
                const proxy::TableShape& shape,
                Family family) {
  std::optional<proxy::TableIndex> index;
  try {
    index.emplace(family, shape, bytes);
  } catch (const std::runtime_error&) {
    return;  // the answer to what is no table
  }
  for (std::uint32_t offset = 0; offset < shape.size;) {
    const auto rest = bytes.subspan(offset);
    const auto entry = rest.first(entry_length(rest, family));
    offset += static_cast<std::uint32_t>(entry.size());
    counters_of(entry, family);
    const auto verdict = verdict_of(entry, family);
    decode(entry, verdict ? index->label(*verdict, offset) : std::string(), family);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kChanges = 4;  // each an offset of two bytes, and a value
  std::span<const std::uint8_t> input(data, size);
  const auto changes = input.first(std::min(input.size(), 3 * kChanges));
  input = input.subspan(changes.size());
  const std::string_view text(reinterpret_cast<const char*>(input.data()),
                              input.size());  // NOLINT: bytes as characters
  for (const Family family : {Family::kIpv4, Family::kIpv6}) {
    proxy::TableShape shape;
    Bytes table = table_of(text, family, shape.entries);
    shape.size = static_cast<std::uint32_t>(table.size());
    read_table(table, shape, family);
    for (std::size_t i = 0; i + 2 < changes.size(); i += 3) {
      table[(changes[i] * 256U + changes[i + 1]) % table.size()] = changes[i + 2];
    }
    read_table(table, shape, family);
  }
  return 0;
}
