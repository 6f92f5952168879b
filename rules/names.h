#pragma once

#include <string>
#include <string_view>

#include "rules/key_tree.h"
#include "rules/rule.h"
#include "rules/service.h"

namespace rules {

/// Fixed chains (spec §1.3).
inline constexpr std::string_view kServicesChain = "KUBE-SERVICES";
inline constexpr std::string_view kExternalServicesChain = "KUBE-EXTERNAL-SERVICES";
inline constexpr std::string_view kNodePortsChain = "KUBE-NODEPORTS";
inline constexpr std::string_view kForwardChain = "KUBE-FORWARD";
inline constexpr std::string_view kProxyFirewallChain = "KUBE-PROXY-FIREWALL";
inline constexpr std::string_view kPostroutingChain = "KUBE-POSTROUTING";
inline constexpr std::string_view kMarkMasqChain = "KUBE-MARK-MASQ";
inline constexpr std::string_view kKubeletFirewallChain = "KUBE-FIREWALL";  // shared with kubelet
inline constexpr std::string_view kCanaryChain = "KUBE-PROXY-CANARY";

/// Names of the chains of one service port: prefix + 16 base32 characters of SHA-256 (spec §1.2).
ChainName cluster_policy_chain(const ServicePortName& name);  // KUBE-SVC-
ChainName local_policy_chain(const ServicePortName& name);    // KUBE-SVL-
ChainName external_chain(const ServicePortName& name);        // KUBE-EXT-
ChainName firewall_chain(const ServicePortName& name);        // KUBE-FW-

/// The chain of one endpoint of a service port (KUBE-SEP-).
ChainName endpoint_chain(const ServicePortName& name, const SocketAddress& endpoint);

/// The chain of the compact layout for everything in `root` whose key begins with `prefix`: in nat,
/// KUBE-SVC- too, so that a kube-proxy which takes over removes it as it removes those of Services
/// that are gone.
ChainName dispatch_chain(const ChainId& root, const KeyPrefix& prefix);

/// Whether a rule of a shared chain, or of a chain that such a rule leads to, is a jump within the
/// tree of the compact layout. Rules of Services say whose they are.
bool leads_on(const Rule& rule);

/// A nat chain with one of the five prefixes: kube-proxy and iptproxy create and remove these as
/// Services come and go. In filter, one with the prefix of dispatch chains.
bool is_service_chain(const ChainId& chain);

/// A chain in which many Services have rules of their own: KUBE-SERVICES, KUBE-NODEPORTS,
/// KUBE-EXTERNAL-SERVICES and KUBE-PROXY-FIREWALL. The order among Services carries no meaning
/// there (spec §3.4.2) but for the Rank.
bool is_shared_chain(const ChainId& chain);

/// A chain that is ours to write and to remove. KUBE-FIREWALL is not: kubelet shares it, and
/// clean-up leaves it (spec §4.8). Nor is any KUBE-KUBELET or KUBE-IPTABLES chain.
bool is_owned(const ChainId& chain);

}  // namespace rules
