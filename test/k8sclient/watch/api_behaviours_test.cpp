#include "test/support/api_behaviours.h"

#include <catch2/catch.hpp>

TEST_CASE("reflector: the fake server shows what a real one does", "[k8sclient][reflector]") {
  const bool is_paged = GENERATE(false, true);
  const auto authority = test::make_authority();
  test::FakeApi api({.certificate = test::issue(authority, "IP:127.0.0.1")});
  if (is_paged) {
    api.refuse_streaming();
  }
  api.set_page_size(7);
  test::Relay relay(api.port());

  test::check_behaviours(
      {.server = {.url = "https://127.0.0.1:" + std::to_string(relay.port()),
                  .ca = {authority.certificate, {}}},
       .relay = relay,
       .make_namespace = [](const std::string&) {},
       .put =
           [&](const auto& resource, const auto& name, const auto& fields, test::Labels labels) {
             std::erase_if(labels, [](const auto& label) { return label.second.empty(); });
             api.put(resource, name, fields, std::move(labels));
           },
       .remove = [&](const auto& resource, const auto& name) { api.remove(resource, name); },
       .forget = [&] { api.compact(); },
       .bookmark =
           [&] {
             REQUIRE(api.wait_for_watches("services", 1));
             api.bookmark();
           }});
}
