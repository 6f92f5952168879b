#include "rules/names.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <openssl/evp.h>

namespace rules {

namespace {

constexpr std::array<std::string_view, 5> kServicePrefixes{
    "KUBE-SVC-", "KUBE-SVL-", "KUBE-SEP-", "KUBE-FW-", "KUBE-EXT-"};

constexpr std::string_view kDispatchPrefix = "KUBE-SVC-";

constexpr std::size_t kHashLength = 16;

/// First 16 characters of the base32 text (RFC 4648) of the SHA-256 of `text`: the first 10 bytes
/// of the digest.
void append_hash(std::string& out, std::string_view text) {
  static const EVP_MD* const kSha256 =
      EVP_MD_fetch(nullptr, "SHA256", nullptr);  // one look-up, not one for each name
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned int length = 0;
  if (EVP_Digest(text.data(), text.size(), hash.data(), &length, kSha256, nullptr) != 1) {
    throw std::logic_error("SHA-256 is not available");
  }
  constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  std::uint64_t bits = 0;
  unsigned int available = 0;
  std::size_t next = 0;
  for (std::size_t i = 0; i < kHashLength; ++i) {
    if (available < 5) {
      bits = bits << 8 | hash[next++];
      available += 8;
    }
    available -= 5;
    out += kAlphabet[bits >> available & 31];
  }
}

ChainName hashed(std::string_view prefix,
                 const ServicePortName& name,
                 const SocketAddress* endpoint) {
  std::string text;
  append(text, name);
  text += to_string(name.protocol);
  if (endpoint != nullptr) {
    append(text, *endpoint);
  }
  std::string chain(prefix);
  append_hash(chain, text);
  return ChainName(chain);
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

ChainName cluster_policy_chain(const ServicePortName& name) {
  return hashed("KUBE-SVC-", name, nullptr);
}

ChainName local_policy_chain(const ServicePortName& name) {
  return hashed("KUBE-SVL-", name, nullptr);
}

ChainName external_chain(const ServicePortName& name) {
  return hashed("KUBE-EXT-", name, nullptr);
}

ChainName firewall_chain(const ServicePortName& name) {
  return hashed("KUBE-FW-", name, nullptr);
}

ChainName endpoint_chain(const ServicePortName& name, const SocketAddress& endpoint) {
  return hashed("KUBE-SEP-", name, &endpoint);
}

ChainName dispatch_chain(const ChainId& root, const KeyPrefix& prefix) {
  std::string text("dispatch");
  text += '\0';
  text += to_string(root.table);
  text += '\0';
  text += root.name.view();
  text += '\0';
  text += static_cast<char>(prefix.key.size);
  text += static_cast<char>(prefix.bits);
  text.append(prefix.key.bytes.begin(), prefix.key.bytes.begin() + prefix.key.size);
  std::string chain(kDispatchPrefix);
  append_hash(chain, text);
  return ChainName(chain);
}

bool leads_on(const Rule& rule) {
  const ChainName* target = jump_target(rule);
  return target != nullptr && target->view().starts_with(kDispatchPrefix) &&
         comment_of(rule).empty();
}

bool is_service_chain(const ChainId& chain) {
  const auto begins_name = [&](std::string_view prefix) {
    return chain.name.view().starts_with(prefix);
  };
  return chain.table == Table::kNat
             ? std::any_of(kServicePrefixes.begin(), kServicePrefixes.end(), begins_name)
             : chain.table == Table::kFilter && begins_name(kDispatchPrefix);
}

bool is_shared_chain(const ChainId& chain) {
  const std::string_view name = chain.name.view();
  switch (chain.table) {
    case Table::kNat:
      return is_one_of(name, {kServicesChain, kNodePortsChain});
    case Table::kFilter:
      return is_one_of(
          name, {kServicesChain, kExternalServicesChain, kNodePortsChain, kProxyFirewallChain});
    case Table::kMangle:
      return false;
  }
  return false;
}

bool is_owned(const ChainId& chain) {
  const std::string_view name = chain.name.view();
  if (name == kCanaryChain || is_shared_chain(chain) || is_service_chain(chain)) {
    return true;
  }
  return chain.table == Table::kNat ? is_one_of(name, {kPostroutingChain, kMarkMasqChain})
                                    : chain.table == Table::kFilter && name == kForwardChain;
}

}  // namespace rules
