#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <catch2/catch.hpp>

#include "proxy/host/process.h"
#include "rules/tables.h"
#include "test/netns/backends.h"
#include "test/support/eventually.h"
#include "test/support/golden.h"
#include "test/support/golden_api.h"
#include "test/support/iptables_links.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"
#include "test/support/paths.h"
#include "test/support/program.h"
#include "test/support/skip.h"
#include "test/support/temporary_folder.h"

// Other versions of kube-proxy than the one that the goldens are of.

using namespace test;
using proxy::Variant;
using rules::Family;

namespace {

constexpr std::array kFamilies{Family::kIpv4, Family::kIpv6};

/// Before 1.34 kube-proxy knows no hints for nodes, and takes a source range of everything for one
/// like any other: of these clusters it makes something else.
constexpr int kNovel = 34;
const std::set<std::string> kNovelties{"node-hints", "source-ranges-any"};

std::string kube_proxy_program() {
  const char* program = std::getenv("KUBE_PROXY");
  if (program == nullptr) {
    test::skip("KUBE_PROXY does not name a program");
  }
  return program;
}

/// 36 of "Kubernetes v1.36.2".
int minor_version(const std::string& program) {
  const std::string text = proxy::run({.argv = {program, "--version"}}).output;
  constexpr std::string_view kMajor = " v1.";
  const auto begin = text.find(kMajor);
  REQUIRE(begin != std::string::npos);
  return std::atoi(text.c_str() + begin + kMajor.size());
}

/// The addresses of the goldens' node.
void be_the_node() {
  shell(
      "ip link add eth0 type veth peer name elsewhere; ip link set eth0 up;"
      "ip link set elsewhere up; ip address add 192.168.205.145/24 dev eth0;"
      "ip address add fd00:205::145/64 dev eth0 nodad;"
      "ip route add default via 192.168.205.1; ip route add default via fd00:205::1");
}

rules::Tables installed(Family family) {
  return rules::parse_tables(saved(Variant::kLegacy, family), family);
}

bool is_programmed(Family family) {
  return saved(Variant::kLegacy, family).find(":KUBE-POSTROUTING") != std::string::npos;
}

/// Both families have rules, and had the same ones a while before: kube-proxy hears of its Node, of
/// Services and slices one after the other.
bool is_settled() {
  if (!std::ranges::all_of(kFamilies, is_programmed)) {
    return false;
  }
  const auto before = installed(Family::kIpv4);
  const auto before_ipv6 = installed(Family::kIpv6);
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  return differences(before, installed(Family::kIpv4)).empty() &&
         differences(before_ipv6, installed(Family::kIpv6)).empty();
}

/// What the program leaves on the node of that cluster.
void let_program(const std::string& program, const Golden& golden) {
  const TemporaryFolder folder;
  const GoldenApi api(golden.folder);
  std::vector<std::string> argv{program,
                                "--master=" + api.url(),
                                "--proxy-mode=iptables",
                                "--conntrack-max-per-core=0",
                                "--conntrack-tcp-timeout-established=0",
                                "--conntrack-tcp-timeout-close-wait=0"};
  const auto flags = lines(golden.folder / "args");
  argv.insert(argv.end(), flags.begin(), flags.end());
  const Program kube_proxy(
      {.argv = argv,
       .environment = {"PATH=" + make_iptables_links(folder.path(), "legacy").string() + ":" +
                       std::getenv("PATH")},
       .log = folder.path() / "log"});
  const bool has_settled = eventually(is_settled, std::chrono::seconds(60));
  INFO(content(folder.path() / "log"));
  REQUIRE(has_settled);
}

proxy::ProcessResult iptproxy(std::vector<std::string> words, const Golden& golden) {
  words.insert(words.begin(), program_path());
  words.push_back("--source=" + (golden.folder / "manifests.json").string());
  const auto flags = lines(golden.folder / "args");
  words.insert(words.end(), flags.begin(), flags.end());
  return proxy::run({.argv = words});
}

}  // namespace

TEST_CASE("kube-proxy: whatever version left its rules, what is still right is not written again",
          "[netns][kube-proxy]") {
  const std::string program = kube_proxy_program();
  const int version = minor_version(program);
  for (const std::filesystem::path& folder : golden_cases()) {
    const Golden golden{folder};
    CAPTURE(version, golden.name());
    const NetworkNamespace space;
    be_the_node();
    let_program(program, golden);

    const bool is_new = version < kNovel && kNovelties.contains(golden.name());
    const auto diff = iptproxy({"diff"}, golden);
    CHECK(diff.status == (is_new ? 1 : 0));
    INFO(diff.output << diff.error);
    CHECK(iptproxy({"run", "--once"}, golden).status == 0);
    for (const Family family : kFamilies) {
      const auto expected = rules::parse_tables(golden_save_text(golden, family), family);
      CHECK(differences(expected, installed(family)) == std::vector<std::string>{});
    }
  }
}
