#include "proxy/text/json.h"

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

using proxy::to_json;

TEST_CASE("json: text becomes a quoted string", "[proxy][json]") {
  CHECK(to_json("") == R"("")");
  CHECK(to_json("ns/svc:p80") == R"("ns/svc:p80")");
  CHECK(to_json("Zürich €𝄞") == R"("Zürich €𝄞")");
}

TEST_CASE("json: quotes, backslashes and control characters are escaped", "[proxy][json]") {
  CHECK(to_json(R"(say "a\b")") == R"("say \"a\\b\"")");
  CHECK(to_json("a\nb\tc\rd\x01\x1b") == R"("a\nb\tc\rd\u0001\u001b")");
  CHECK(to_json(std::string_view("a\0b", 3)) == R"("a\u0000b")");
}

TEST_CASE("json: what turns text around or drives a terminal is escaped", "[proxy][json]") {
  // CVE-2021-42574: a line that reads otherwise than it is.
  CHECK(to_json("a\u202eb\u2066c\u2069d") == R"("a\u202eb\u2066c\u2069d")");
  CHECK(to_json("\u061c\u200e\u200f") == R"("\u061c\u200e\u200f")");
  CHECK(to_json("\u2028\u2029\u202a") == R"("\u2028\u2029\u202a")");
  CHECK(to_json("\xc2\x9b"
                "31m") == R"("\u009b31m")");  // CSI in one character
  // Their neighbours are letters, spaces and dashes like any.
  CHECK(to_json("\u00a0\u061b\u200d\u2010\u2027\u202f\u2065\u206a") ==
        "\"\u00a0\u061b\u200d\u2010\u2027\u202f\u2065\u206a\"");
}

TEST_CASE("json: bytes that are not UTF-8 are replaced", "[proxy][json]") {
  const auto text = GENERATE(as<std::string>(),
                             "\xff",
                             "\x80",
                             "\xc3",          // cut off
                             "\xc0\xaf",      // overlong
                             "\xed\xa0\x80",  // surrogate
                             "\xf4\x90\x80\x80");
  CAPTURE(text);

  std::string expected = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    expected += "\xef\xbf\xbd";
  }
  CHECK(to_json(text) == expected + '"');
}

TEST_CASE("json: an object has its members in the order in which they were added",
          "[proxy][json]") {
  const std::vector<int> items = {1, 2};

  CHECK(proxy::JsonObject().empty());
  CHECK(proxy::JsonObject().str() == "{}");
  CHECK(proxy::JsonObject()
            .text("z", "\"")
            .number("count", std::uint64_t{18446744073709551615U})
            .number("share", 1.0 / 3)
            .number("none", std::nullopt)
            .number("endless", std::numeric_limits<double>::infinity())
            .flag("is", true)
            .object("a", proxy::JsonObject().number("less", -1))
            .raw("list", proxy::json_array(items, [](int i) { return std::to_string(i); }))
            .str() == R"({"z":"\"","count":18446744073709551615,"share":0.333333333333,)"
                      R"("none":null,"endless":null,"is":true,"a":{"less":-1},"list":[1,2]})");
}
