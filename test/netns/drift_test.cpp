#include "proxy/drift.h"

#include <catch2/catch.hpp>

#include "test/support/network_namespace.h"

using proxy::DriftWatch;
using proxy::Variant;
using rules::Family;
using test::NetworkNamespace;
using test::shell;

TEST_CASE("drift: another hand's change is noticed, our own is not, nor what concerns other tables",
          "[netns][drift]") {
  const auto variant = GENERATE(Variant::kNft, Variant::kLegacy);
  const std::string iptables = "iptables-" + std::string(to_string(variant));
  CAPTURE(iptables);
  const NetworkNamespace space;
  const auto restore = [&](const std::string& rules) {
    shell("printf '*nat\\n" + rules + "COMMIT\\n' | " + iptables + "-restore --noflush");
  };
  restore(":KUBE-SERVICES - [0:0]\\n-A KUBE-SERVICES -j RETURN\\n");
  const DriftWatch watch = proxy::watch_drift(Family::kIpv4, variant);
  watch.settle();
  CHECK(!watch.has_changed());

  restore("-A KUBE-SERVICES -j ACCEPT\\n");  // what a sync of ours does
  watch.settle();
  CHECK(!watch.has_changed());

  shell(iptables + " -t nat -F KUBE-SERVICES");
  CHECK(watch.has_changed());
  CHECK(!watch.has_changed());

  const std::string other_chain =
      iptables + " -t nat -N CNI-HOSTPORT && " + iptables + " -t nat -A CNI-HOSTPORT -j RETURN";
  shell(other_chain);
  CHECK(watch.has_changed() == (variant == Variant::kLegacy));  // which tells no chains apart

  shell("ip6tables-" + std::string(to_string(variant)) + " -t nat -N OTHER");
  shell("nft add table inet unrelated");
  CHECK(!watch.has_changed());
}

TEST_CASE("drift: a change by others in the middle of our own sync is not taken for ours",
          "[netns][drift]") {
  const NetworkNamespace space;
  shell("iptables-nft -t nat -N KUBE-SERVICES");
  const DriftWatch watch = proxy::watch_drift(Family::kIpv4, Variant::kNft);

  shell("printf '*nat\\n-A KUBE-SERVICES -j ACCEPT\\nCOMMIT\\n' | iptables-nft-restore --noflush");
  shell("iptables-nft -t nat -F KUBE-SERVICES");
  watch.settle();

  CHECK(watch.has_changed());
}
