#include "proxy/backends/variant.h"

#include <catch2/catch.hpp>

using namespace proxy;

namespace {

using Chains = std::vector<std::string>;

constexpr const char* kVersion = "iptables v1.8.9 (nf_tables)";

IptablesTraces traces(Chains legacy, Chains nft) {
  return {.legacy = {true, std::move(legacy)}, .nft = {true, std::move(nft)}, .version = kVersion};
}

IptablesChoice automatic(const IptablesTraces& traces) {
  return choose_iptables(IptablesBackend::kAuto, traces);
}

}  // namespace

TEST_CASE("variant: kubelet's hint decides, nft before legacy", "[proxy][variant]") {
  struct Row {
    Chains legacy;
    Chains nft;
    Variant variant;
  };

  const Row row = GENERATE(Row{{}, {}, Variant::kNft},
                           Row{{"KUBE-IPTABLES-HINT"}, {}, Variant::kLegacy},
                           Row{{"KUBE-KUBELET-CANARY"}, {"KUBE-PROXY-CANARY"}, Variant::kLegacy},
                           Row{{"KUBE-KUBELET-CANARY"}, {"KUBE-IPTABLES-HINT"}, Variant::kNft},
                           Row{{"KUBE-PROXY-CANARY"}, {}, Variant::kLegacy},
                           Row{{"KUBE-PROXY-CANARY"}, {"KUBE-PROXY-CANARY"}, Variant::kNft});
  CAPTURE(row.legacy, row.nft);

  const IptablesChoice choice = automatic(traces(row.legacy, row.nft));

  CHECK(choice.variant == row.variant);
  CHECK(choice.in_process);
  CHECK_FALSE(choice.reason.empty());
}

TEST_CASE("variant: a host on which both variants hold Kubernetes rules is warned about",
          "[proxy][variant]") {
  CHECK(automatic(traces({"KUBE-KUBELET-CANARY"}, {})).warnings.empty());

  const Chains warnings = automatic(traces({"KUBE-PROXY-CANARY"}, {"KUBE-IPTABLES-HINT"})).warnings;

  REQUIRE(warnings.size() == 1);
  CHECK_THAT(
      warnings[0],
      Catch::Contains("nft was chosen") && Catch::Contains("legacy holds KUBE-PROXY-CANARY"));
}

TEST_CASE("variant: the only installed variant is taken", "[proxy][variant]") {
  IptablesTraces host = traces({}, {});
  host.nft.has_programs = false;

  CHECK(automatic(host).variant == Variant::kLegacy);

  host.legacy.has_programs = false;
  host.version = "iptables v1.6.1";
  CHECK(automatic(host).variant == Variant::kNft);

  host.version = "iptables v1.8.7 (legacy)";
  CHECK(automatic(host).variant == Variant::kLegacy);
}

TEST_CASE("variant: the option overrides what the host says", "[proxy][variant]") {
  const IptablesTraces legacy_host = traces({"KUBE-IPTABLES-HINT"}, {});
  const IptablesTraces nft_host = traces({}, {"KUBE-IPTABLES-HINT"});

  CHECK(choose_iptables(IptablesBackend::kLibiptc, nft_host).in_process);
  CHECK(choose_iptables(IptablesBackend::kLibiptc, nft_host).warnings.size() == 1);
  CHECK(choose_iptables(IptablesBackend::kRestore, legacy_host).variant == Variant::kLegacy);
  CHECK_FALSE(choose_iptables(IptablesBackend::kRestore, legacy_host).in_process);
}

TEST_CASE("variant: random-fully needs iptables 1.6.2", "[proxy][variant]") {
  IptablesTraces host = traces({}, {});
  for (const char* version : {kVersion, "iptables v1.6.2", "iptables v2.0.0"}) {
    CAPTURE(version);
    host.version = version;
    CHECK(choose_iptables(IptablesBackend::kRestore, host).random_fully);
  }
  for (const char* version : {"iptables v1.6.1", "iptables v1.4.21", "", "iptables"}) {
    CAPTURE(version);
    host.version = version;
    CHECK_FALSE(choose_iptables(IptablesBackend::kRestore, host).random_fully);
  }
  CHECK(automatic(host).random_fully);
  CHECK(choose_iptables(IptablesBackend::kLibiptc, host).random_fully);
}
