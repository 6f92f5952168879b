#include "rules/names.h"

#include <catch2/catch.hpp>

using namespace rules;

TEST_CASE("names: chains are named by the hash of service port, protocol and endpoint",
          "[rules][names]") {
  struct Row {
    ServicePortName name;
    std::string_view chain_hash;
    std::string_view endpoint;
    std::string_view endpoint_hash;
  };

  // The vectors of spec §1.2.
  const auto row = GENERATE(values<Row>({
      {{"ns1", "svc1", "p80", Protocol::kTcp},
       "XPGD46QRK7WJZT7O",
       "10.180.0.1:80",
       "SXIVWICOYRO3J4NJ"},
      {{"ns1", "svc1", "p80", Protocol::kTcp},
       "XPGD46QRK7WJZT7O",
       "10.180.0.10:80",
       "A6IB6ZRNSXM7OKSA"},
      {{"ns2", "svc2", "p80", Protocol::kTcp},
       "GNZBNJ2PO5MGZ6GT",
       "10.180.0.2:80",
       "RS4RBKLTHTF2IUXJ"},
      {{"ns2", "svc2", "p80", Protocol::kTcp},
       "GNZBNJ2PO5MGZ6GT",
       "[fd00:10:180::2]:80",
       "HVN4VNKVYQ7L4BSW"},
      {{"ns3", "svc3", "", Protocol::kTcp},
       "63AVES5QA6FLPQYD",
       "10.180.0.3:8080",
       "STR6DRZBBDV5R4TJ"},
      {{"ns5", "svc5", "p80", Protocol::kTcp},
       "NUKIZ6OKUXPJNT4C",
       "10.180.0.3:80",
       "I77PXRDZVX7PMWMN"},
      {{"ns7", "dns", "dns", Protocol::kUdp},
       "OMNLOZLMICLAHVLI",
       "10.0.1.53:53",
       "OPRNHCKJ5NF6PT3F"},
      {{"ns7", "dns", "sc", Protocol::kSctp},
       "BZPMYIGHDBNB66GW",
       "10.0.1.53:53",
       "3WBL2YXFGJ2AUH5A"},
  }));
  CAPTURE(to_string(row.name));

  const std::string hash(row.chain_hash);
  CHECK(cluster_policy_chain(row.name).view() == "KUBE-SVC-" + hash);
  CHECK(local_policy_chain(row.name).view() == "KUBE-SVL-" + hash);
  CHECK(external_chain(row.name).view() == "KUBE-EXT-" + hash);
  CHECK(firewall_chain(row.name).view() == "KUBE-FW-" + hash);
  CHECK(endpoint_chain(row.name, *SocketAddress::parse(row.endpoint)).view() ==
        "KUBE-SEP-" + std::string(row.endpoint_hash));
}

TEST_CASE("names: ours are kube-proxy's chains, never kubelet's or anyone else's",
          "[rules][names]") {
  struct Row {
    Table table;
    std::string_view chain;
    bool owned;
    bool shared;
  };

  const auto row = GENERATE(values<Row>({
      {Table::kNat, "KUBE-SERVICES", true, true},
      {Table::kFilter, "KUBE-SERVICES", true, true},
      {Table::kMangle, "KUBE-SERVICES", false, false},
      {Table::kFilter, "KUBE-EXTERNAL-SERVICES", true, true},
      {Table::kNat, "KUBE-EXTERNAL-SERVICES", false, false},
      {Table::kFilter, "KUBE-FORWARD", true, false},
      {Table::kNat, "KUBE-POSTROUTING", true, false},
      {Table::kNat, "KUBE-SVC-XPGD46QRK7WJZT7O", true, false},
      {Table::kFilter, "KUBE-SVC-XPGD46QRK7WJZT7O", true, false},  // of the compact layout
      {Table::kMangle, "KUBE-SVC-XPGD46QRK7WJZT7O", false, false},
      {Table::kNat, "KUBE-FW-XPGD46QRK7WJZT7O", true, false},
      {Table::kMangle, "KUBE-PROXY-CANARY", true, false},
      {Table::kFilter, "KUBE-FIREWALL", false, false},
      {Table::kNat, "KUBE-MARK-DROP", false, false},
      {Table::kNat, "KUBE-KUBELET-CANARY", false, false},
      {Table::kMangle, "KUBE-IPTABLES-HINT", false, false},
      {Table::kNat, "DOCKER", false, false},
      {Table::kNat, "FLANNEL-POSTRTG", false, false},
  }));
  const ChainId chain{row.table, ChainName(row.chain)};
  CAPTURE(to_string(chain));

  CHECK(is_owned(chain) == row.owned);
  CHECK(is_shared_chain(chain) == row.shared);
}
