#include <fstream>

#include <catch2/catch.hpp>

#include "proxy/legacy/xtables_lock.h"
#include "test/netns/backends.h"
#include "test/support/accounting_objects.h"
#include "test/support/network_namespace.h"
#include "test/support/parity_files.h"

using namespace test;
using rules::Family;

namespace {

void check_golden(Way way, const std::string& dump, Family family) {
  const NetworkNamespace network;
  make_accounting_objects();
  const auto backend = backend_of(way, family);

  const auto error = backend->apply(changes_towards(dump, family));

  INFO((error ? error->message : ""));
  REQUIRE_FALSE(error);
  CHECK(by_table(saved(variant_of(way), family)) == by_table(dump));
}

}  // namespace

TEST_CASE("backends: what kube-proxy left on a node comes out of every one of them line by line",
          "[netns][golden]") {
  for (const Way way : kAllWays) {
    for (const auto& golden : golden_cases()) {
      for (const Family family : {Family::kIpv4, Family::kIpv6}) {
        CAPTURE(name_of(way), golden.filename(), rules::to_string(family));
        check_golden(way, content(dump_of(golden, family)), family);
      }
    }
  }
}
