#include "proxy/nft/sound_rule.h"

#include <string_view>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

namespace proxy {

namespace {

/// The attribute of that type in a nest; null if it is not there, or the nest is not.
const nlattr* find(const nlattr* nest, int type) {
  struct AttributeSearch {
    int type;
    const nlattr* found;
  };

  AttributeSearch search{type, nullptr};
  const auto look = [](const nlattr* attribute, void* data) {
    AttributeSearch& wanted = *static_cast<AttributeSearch*>(data);
    if (mnl_attr_get_type(attribute) == wanted.type) {
      wanted.found = attribute;
    }
    return MNL_CB_OK;
  };
  if (nest != nullptr) {
    mnl_attr_parse_nested(nest, look, &search);
  }
  return search.found;
}

bool is_text(const nlattr* attribute) {
  return attribute != nullptr && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0;
}

bool is_sound_verdict(const nlattr* verdict) {
  const nlattr* code = find(verdict, NFTA_VERDICT_CODE);
  if (code == nullptr || mnl_attr_validate(code, MNL_TYPE_U32) != 0) {
    return false;
  }
  const int kind = static_cast<int>(ntohl(mnl_attr_get_u32(code)));
  return (kind != NFT_JUMP && kind != NFT_GOTO) || is_text(find(verdict, NFTA_VERDICT_CHAIN));
}

bool is_sound_expression(const nlattr* expression) {
  const nlattr* name = find(expression, NFTA_EXPR_NAME);
  if (!is_text(name)) {
    return false;
  }
  const std::string_view kind = mnl_attr_get_str(name);
  const nlattr* data = find(expression, NFTA_EXPR_DATA);
  if (kind == "match" || kind == "target") {
    static_assert(int{NFTA_MATCH_NAME} == int{NFTA_TARGET_NAME});
    return is_text(find(data, NFTA_MATCH_NAME));
  }
  const nlattr* verdict =
      kind == "immediate" ? find(find(data, NFTA_IMMEDIATE_DATA), NFTA_DATA_VERDICT) : nullptr;
  return verdict == nullptr || is_sound_verdict(verdict);
}

int look_at_expression(const nlattr* expression, void* /*data*/) {
  return is_sound_expression(expression) ? MNL_CB_OK : MNL_CB_ERROR;
}

int look_at_attribute(const nlattr* attribute, void* /*data*/) {
  switch (mnl_attr_get_type(attribute)) {
    case NFTA_RULE_TABLE:
    case NFTA_RULE_CHAIN:
      return is_text(attribute) ? MNL_CB_OK : MNL_CB_ERROR;
    case NFTA_RULE_EXPRESSIONS:
      return mnl_attr_parse_nested(attribute, look_at_expression, nullptr);
    default:
      return MNL_CB_OK;
  }
}

}  // namespace

bool is_sound_rule(const nlmsghdr* message) {
  return mnl_attr_parse(message, sizeof(nfgenmsg), look_at_attribute, nullptr) != MNL_CB_ERROR;
}

}  // namespace proxy
