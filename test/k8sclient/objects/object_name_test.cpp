#include "k8sclient/objects/object_name.h"

#include <string>

#include <catch2/catch.hpp>

using k8sclient::is_dns_label;
using k8sclient::is_dns_subdomain;
using k8sclient::is_label_value;

TEST_CASE("object name: labels, subdomains and label values have the character sets of the API",
          "[k8sclient][object_name]") {
  struct Row {
    std::string text;
    bool label, subdomain, value;
  };

  const auto row = GENERATE(values<Row>({
      {"web", true, true, true},
      {"1-a", true, true, true},
      {std::string(63, 'a'), true, true, true},
      {std::string(64, 'a'), false, true, false},
      {std::string(253, 'a'), false, true, false},
      {std::string(254, 'a'), false, false, false},
      {"a.b", false, true, true},
      {"a..b", false, false, true},
      {"a.", false, false, false},
      {"-a", false, false, false},
      {"a-", false, false, false},
      {"A_b", false, false, true},
      {"", false, false, true},
      {"a b", false, false, false},
      {"a\n", false, false, false},
      {"a\"b", false, false, false},
      {"a%b", false, false, false},
      {"a:b", false, false, false},
      {"a/b", false, false, false},
      {"\xc3\xa4", false, false, false},
  }));
  CAPTURE(row.text);

  CHECK(is_dns_label(row.text) == row.label);
  CHECK(is_dns_subdomain(row.text) == row.subdomain);
  CHECK(is_label_value(row.text) == row.value);
}
