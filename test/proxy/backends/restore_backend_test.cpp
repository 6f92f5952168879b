#include "proxy/backends/restore_backend.h"

#include <catch2/catch.hpp>

#include "proxy/host/process.h"

using namespace proxy;

namespace {

rules::RestoreBatch batch_with_service_at(std::size_t first, std::size_t last) {
  rules::CompiledService service;
  service.name = {"default", "web", "http", rules::Protocol::kTcp};
  return {.text = {},
          .services = {{first, last, std::make_shared<const rules::CompiledService>(service)}}};
}

}  // namespace

TEST_CASE("restore backend: the refused line names the Service", "[proxy][restore]") {
  const std::string text = GENERATE(
      "iptables-nft-restore v1.8.9 (nf_tables): \n"
      "line 7: RULE_APPEND failed (No such file or directory): rule in chain KUBE-SVC-X\n",
      "iptables-nft-restore: line 7 failed: No chain/target/match by that name.\n",
      "iptables-restore v1.8.9 (legacy): unknown option \"--bogus\"\nError occurred at line: 7\n");
  CAPTURE(text);

  const ApplyError error = explain_restore_failure(1, text, batch_with_service_at(6, 9));

  REQUIRE(error.service);
  CHECK(error.service->service == "web");
  CHECK_FALSE(error.transient);
  CHECK_THAT(error.message, Catch::Contains("status 1"));
}

TEST_CASE("restore backend: a line of nobody names nobody", "[proxy][restore]") {
  const std::string text = GENERATE("iptables-restore: line 10 failed\n",
                                    "iptables-restore: baseline 7\n",
                                    "something else\n",
                                    "");

  const ApplyError error = explain_restore_failure(1, text, batch_with_service_at(8, 9));

  CHECK_FALSE(error.service);
  CHECK_FALSE(error.transient);
}

TEST_CASE("restore backend: failures of the environment are worth another try",
          "[proxy][restore]") {
  const auto rules_batch = batch_with_service_at(1, 9);

  CHECK(explain_restore_failure(ProcessResult::kTimedOut, "", rules_batch).transient);
  CHECK(explain_restore_failure(128 + 9, "", rules_batch).transient);
  const ApplyError error = explain_restore_failure(
      4, "line 3: RULE_APPEND failed (Cannot allocate memory): rule in chain X", rules_batch);
  CHECK(error.transient);
  CHECK_FALSE(error.service);
}
