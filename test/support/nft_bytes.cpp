#include "test/support/nft_bytes.h"

#include <functional>
#include <set>
#include <stdexcept>

#include <fmt/format.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "proxy/kernel/nfnetlink.h"

namespace test {

namespace {

using Attributes = std::map<int, std::string>;

Attributes attributes_of(const nlmsghdr* message) {
  Attributes attributes;
  const auto take = [](const nlattr* attribute, void* data) {
    const auto* bytes = static_cast<const char*>(mnl_attr_get_payload(attribute));
    (*static_cast<Attributes*>(data))[mnl_attr_get_type(attribute)].assign(
        bytes, mnl_attr_get_payload_len(attribute));
    return MNL_CB_OK;
  };
  mnl_attr_parse(message, sizeof(nfgenmsg), take, &attributes);
  return attributes;
}

std::string hexadecimal(const Attributes& attributes, const std::set<int>& left_out) {
  std::string text;
  for (const auto& [type, bytes] : attributes) {
    if (left_out.contains(type)) {
      continue;
    }
    text += fmt::format("{}:", type);
    for (const char byte : bytes) {
      text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
    }
    text += ' ';
  }
  return text;
}

/// Calls `take` for each object of that kind.
void dump(rules::Family family, int command, const std::function<void(const Attributes&)>& take) {
  proxy::NfnetlinkSocket socket;
  const auto outcome = socket.ask({.subsystem = NFNL_SUBSYS_NFTABLES,
                                   .command = command,
                                   .flags = NLM_F_DUMP,
                                   .family = family},
                                  [&](const nlmsghdr* message) { take(attributes_of(message)); });
  if (outcome.error != 0 || outcome.interrupted) {
    throw std::runtime_error("cannot dump nftables");
  }
}

/// The names as they are, without their terminating zeros.
std::string key(const char* kind, std::string table, std::string chain = {}) {
  table.erase(table.find_last_not_of('\0') + 1);
  chain.erase(chain.find_last_not_of('\0') + 1);
  return fmt::format("{} {}{}{}", kind, table, chain.empty() ? "" : " ", chain);
}

}  // namespace

std::map<std::string, std::vector<std::string>> nft_bytes(rules::Family family) {
  std::map<std::string, std::vector<std::string>> found;
  dump(family, NFT_MSG_GETTABLE, [&](const Attributes& table) {
    found[key("table", table.at(NFTA_TABLE_NAME))].push_back(
        hexadecimal(table, {NFTA_TABLE_HANDLE}));
  });
  dump(family, NFT_MSG_GETCHAIN, [&](const Attributes& chain) {
    found[key("chain", chain.at(NFTA_CHAIN_TABLE), chain.at(NFTA_CHAIN_NAME))].push_back(
        hexadecimal(chain, {NFTA_CHAIN_HANDLE}));
  });
  dump(family, NFT_MSG_GETRULE, [&](const Attributes& rule) {
    found[key("rules", rule.at(NFTA_RULE_TABLE), rule.at(NFTA_RULE_CHAIN))].push_back(
        hexadecimal(rule, {NFTA_RULE_HANDLE, NFTA_RULE_POSITION}));
  });
  return found;
}

}  // namespace test
