#include "k8sclient/identity/base64.h"

#include <catch2/catch.hpp>

using k8sclient::decode_base64;
using k8sclient::encode_base64;

TEST_CASE("base64: texts of each length go there and back (RFC 4648, 10)", "[k8sclient][base64]") {
  const auto& [text, encoded] = GENERATE(table<std::string, std::string>({{"", ""},
                                                                          {"f", "Zg=="},
                                                                          {"fo", "Zm8="},
                                                                          {"foo", "Zm9v"},
                                                                          {"foob", "Zm9vYg=="},
                                                                          {"fooba", "Zm9vYmE="},
                                                                          {"\xff\xfe", "//4="}}));

  CHECK(encode_base64(text) == encoded);
  CHECK(decode_base64(encoded) == text);
}

TEST_CASE("base64: line ends are skipped, other characters refused", "[k8sclient][base64]") {
  CHECK(decode_base64("Zm9v\nYmFy\n") == "foobar");
  CHECK_FALSE(decode_base64("Zm9v*"));
}
