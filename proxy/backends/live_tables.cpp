#include "proxy/backends/live_tables.h"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

#include "proxy/host/process.h"
#include "proxy/log/logging.h"
#include "proxy/nft/tables.h"

namespace proxy {

namespace {

rules::Installed installed_in(const rules::Tables& tables) {
  rules::InstalledReader reader(rules::Detail::kHolders);
  for (const auto& [id, chain] : tables.chains) {
    reader.chain(id);
    for (const rules::Rule& rule : chain.rules) {
      reader.rule(id, rule);
    }
  }
  return std::move(reader).finish();
}

HeldTables ask_program(rules::Family family, Variant variant) {
  const std::string save = program(family, variant, "-save");
  const ProcessResult result = run({.argv = {save}});
  if (result.status != 0) {
    throw std::runtime_error(fmt::format("cannot read this node's rules ({} exited with {}): {}",
                                         save,
                                         result.status,
                                         result.error));
  }
  HeldTables held = parse_held_tables(result.output, family);
  held.is_by_program = true;
  return held;
}

}  // namespace

HeldTables parse_held_tables(std::string_view save_text, rules::Family family) {
  return {.tables = rules::parse_tables(save_text, family),
          .installed = rules::parse_installed(save_text, family, rules::Detail::kHolders)};
}

HeldTables read_held_tables(rules::Family family, const IptablesChoice& choice) {
  if (choice.variant != Variant::kNft || !choice.in_process) {
    return ask_program(family, choice.variant);
  }
  NftWholeReading found = read_whole_nft_tables(family);
  if (!found.is_in_our_words) {
    const std::string save = program(family, choice.variant, "-save");
    if (is_in_path(save)) {
      return ask_program(family, choice.variant);
    }
    log_warning("Rules of other programs are shown as their bytes",
                {{"family", to_string(family)},
                 {"reason", fmt::format("{} is not in PATH, which knows their words", save)}});
  }
  rules::Installed installed = installed_in(found.tables);
  return {.tables = std::move(found.tables), .installed = std::move(installed)};
}

}  // namespace proxy
