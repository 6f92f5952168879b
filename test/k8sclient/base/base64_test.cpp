#include "k8sclient/base/base64.h"

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

TEST_CASE("base64: blanks and line ends are skipped, padding may be missing",
          "[k8sclient][base64]") {
  CHECK(decode_base64("Zm9v\r\nYmFy\n") == "foobar");
  CHECK(decode_base64(" Zg = =\t") == "f");
  CHECK(decode_base64("Zm8") == "fo");
  CHECK(decode_base64("Zg") == "f");
}

TEST_CASE("base64: damaged text is refused as a whole", "[k8sclient][base64]") {
  const std::string_view text = GENERATE(as<std::string_view>(),
                                         "Zm9v*",
                                         "QUJD=garbage!!",
                                         "QUJD=QUJD",
                                         "QUJD=",
                                         "Zg=",
                                         "Zg===",
                                         "Zm8==",
                                         "=",
                                         "Z",
                                         "Zm9vZ",
                                         "Zm9v-",
                                         "Zm9v\x80");
  CAPTURE(text);

  CHECK_FALSE(decode_base64(text));
}
