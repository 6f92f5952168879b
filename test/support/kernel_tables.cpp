#include "test/support/kernel_tables.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "rules/tables.h"
#include "rules/text.h"
#include "test/support/network_namespace.h"

namespace test {

using rules::ChainId;
using rules::SaveLine;

void KernelTables::restore(const std::string& save_text) const {
  shell(program("-restore") + " --noflush <<'END'\n" + save_text + "END\ntrue");
}

std::string KernelTables::save() const {
  return shell(program("-save") + " -c -t nat; " + program("-save") + " -c -t filter; " +
               program("-save") + " -c -t raw");
}

void KernelTables::zero_counters() const {
  shell(program("") + " -w -t nat -Z; " + program("") + " -w -t filter -Z");
}

std::set<std::string> KernelTables::counted_rules() const {
  std::set<std::string> counted;
  std::map<ChainId, std::size_t> seen;
  rules::Table table = rules::Table::kNat;
  const std::string text = save();
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view raw = std::string_view(text).substr(begin, end - begin);
    const SaveLine line = rules::parse_save_line(raw);
    begin = end + 1;
    if (line.kind == SaveLine::Kind::kTable) {
      table = line.name == "raw" ? rules::kRawTable : rules::parse_table(line.name).value();
    } else if (line.kind == SaveLine::Kind::kRule) {
      const ChainId chain{table, rules::ChainName(line.name)};
      ++seen[chain];
      if (!raw.starts_with("[0:")) {
        counted.insert(rule_name(chain, seen[chain]));
      }
    }
  }
  return counted;
}

std::string KernelTables::program(std::string_view suffix) const {
  return proxy::program(family_, variant_, suffix);
}

std::string rule_name(const ChainId& chain, std::size_t number) {
  return fmt::format("{} {}", rules::to_string(chain), number);
}

}  // namespace test
