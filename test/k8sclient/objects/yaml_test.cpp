#include "k8sclient/objects/yaml.h"

#include <catch2/catch.hpp>
#include <fmt/format.h>

namespace {

using k8sclient::parse_yaml;
using k8sclient::YamlError;
using k8sclient::YamlNode;

std::string json_of(std::string_view text) {
  const std::vector<YamlNode> documents = parse_yaml(text);
  REQUIRE(documents.size() == 1);
  return k8sclient::to_json(documents.front());
}

int error_line(std::string_view text) {
  try {
    parse_yaml(text);
  } catch (const YamlError& error) {
    return error.line();
  }
  return 0;
}

TEST_CASE("yaml: a manifest becomes the JSON that kubectl would send", "[k8sclient][yaml]") {
  CHECK(
      json_of("kind: Service\n"
              "metadata: {name: web, labels: {app: \"1\"}}\n"
              "spec:\n"
              "  ports:\n"
              "  - port: 80\n"
              "    name: http\n"
              "  clusterIP: 10.96.0.1\n"
              "  # a comment\n"
              "  externalIPs: []\n") ==
      R"({"kind":"Service","metadata":{"name":"web","labels":{"app":"1"}},)"
      R"("spec":{"ports":[{"port":80,"name":"http"}],"clusterIP":"10.96.0.1","externalIPs":[]}})");
}

TEST_CASE("yaml: plain scalars have the types of Kubernetes' tools", "[k8sclient][yaml]") {
  struct Row {
    const char* text;
    const char* json;
  };

  const Row row = GENERATE(Row{"7", "7"},
                           Row{"-7", "-7"},
                           Row{"+7", "7"},
                           Row{"0x10", "16"},
                           Row{"010", "8"},
                           Row{"0o10", "8"},
                           Row{"0b11", "3"},
                           Row{"1_000", "1000"},
                           Row{"1.5", "1.5"},
                           Row{".5", "0.5"},
                           Row{"1e3", "1000"},
                           Row{"9223372036854775807", "9223372036854775807"},
                           Row{"true", "true"},
                           Row{"Yes", "true"},
                           Row{"off", "false"},
                           Row{"~", "null"},
                           Row{"null", "null"},
                           Row{"", "null"},
                           Row{"'7'", "\"7\""},
                           Row{"\"true\"", "\"true\""},
                           Row{"'null'", "\"null\""},
                           Row{"!!str 7", "\"7\""},
                           Row{"10.0.0.1", "\"10.0.0.1\""},
                           Row{"1h", "\"1h\""},
                           Row{"09", "9"},
                           Row{"0x", "\"0x\""},
                           Row{"+-1", "\"+-1\""},
                           Row{"fd00::1", "\"fd00::1\""},
                           Row{"|-\n  a\n  b", "\"a\\nb\""});
  CAPTURE(row.text);

  CHECK(json_of(std::string("key: ") + row.text + "\n") ==
        std::string("{\"key\":") + row.json + "}");
}

TEST_CASE("yaml: lines may end as on Windows, the last one too", "[k8sclient][yaml]") {
  CHECK(json_of("a: x\r\nb:\r\n- 1\r\nc: y\r") == R"({"a":"x","b":[1],"c":"y"})");
  CHECK(error_line("a: 1\r\nb: c: d\r\n") == 2);
}

TEST_CASE("yaml: JSON is read as well", "[k8sclient][yaml]") {
  const std::string json = R"({"a":[1,2.5,true,null,"x\"\\\n\u00e9"],"b":{"c":{}}})";

  CHECK(json_of(json) == "{\"a\":[1,2.5,true,null,\"x\\\"\\\\\\n\u00e9\"],\"b\":{\"c\":{}}}");
}

TEST_CASE("yaml: documents are separate, empty ones are dropped", "[k8sclient][yaml]") {
  const std::vector<YamlNode> documents = parse_yaml("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n");

  REQUIRE(documents.size() == 2);
  CHECK(documents[0].line == 2);
  CHECK(k8sclient::to_json(documents[1]) == "{\"b\":2}");
  CHECK(parse_yaml("").empty());
  CHECK(parse_yaml("# only a comment\n").empty());
}

TEST_CASE("yaml: errors say the line", "[k8sclient][yaml]") {
  CHECK(error_line("a: 1\nb: [1, 2\n") > 0);
  CHECK(error_line("a: 1\nb: ::\n") == 2);
  CHECK(error_line("a: 1\n\tb: 2\n") == 2);
  CHECK(error_line("a: 1\nb: \"x") == 2);
  CHECK(error_line("a: 1\nb: c: d\n") == 2);
}

TEST_CASE("yaml: text that is not UTF-8 is refused, by its line", "[k8sclient][yaml]") {
  CHECK(error_line("a: \xc3\xa9\nb: 1\nc: \"\xff\"\nd: 2\n") == 3);
  CHECK(error_line("\xff\xfe") == 1);
  CHECK(error_line("a: 1\nb: \xc3") == 2);
}

TEST_CASE("yaml: a character that starts nothing is an error, not an endless document",
          "[k8sclient][yaml]") {
  CHECK(error_line(",") == 1);
  CHECK(error_line("]") == 1);
  CHECK(error_line("a: 1\n---\n, b\n") == 3);
}

TEST_CASE("yaml: aliases stand for what they mean", "[k8sclient][yaml]") {
  struct Row {
    const char* text;
    const char* json;
  };

  const Row row = GENERATE(
      Row{"a: &x 1\nb: *x\n", R"({"a":1,"b":1})"},
      Row{"a: &x '1'\nb: [*x, *x]\n", R"({"a":"1","b":["1","1"]})"},
      Row{"a: &x {c: [1]}\nb: *x\n", R"({"a":{"c":[1]},"b":{"c":[1]}})"},
      Row{"a: &x\n  - &y 2\n  - *y\nb: *x\n", R"({"a":[2,2],"b":[2,2]})"},
      Row{"a: &x 1\nb: &x 2\nc: *x\n", R"({"a":1,"b":2,"c":2})"},
      Row{"&k a: 1\nb: *k\n", R"({"a":1,"b":"a"})"},
      Row{"a: &x b\n*x : 1\n", R"({"a":"b","b":1})"},
      Row{"a: &x ~\nb: *x\n", R"({"a":null,"b":null})"},
      Row{"a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n", R"({"a":{"b":1,"c":2},"d":{"b":1,"c":3}})"},
      // kube-proxy's reader takes merge keys in the order of the text.
      Row{"a: &x {b: 1}\nd: {b: 3, <<: *x}\n", R"({"a":{"b":1},"d":{"b":1}})"},
      Row{"a: &x {b: 1}\nc: &y {b: 2, d: 4}\ne: {<<: [*x, *y]}\n",
          R"({"a":{"b":1},"c":{"b":2,"d":4},"e":{"b":1,"d":4}})"},
      Row{"<<: {a: 1}\nb: 2\n", R"({"a":1,"b":2})"},
      Row{"'<<': {a: 1}\n", R"({"<<":{"a":1}})"},
      Row{"a: <<\n", R"({"a":"<<"})"});
  CAPTURE(row.text);

  CHECK(json_of(row.text) == row.json);
}

TEST_CASE("yaml: an aliased value has the alias's line, what is in it its own",
          "[k8sclient][yaml]") {
  const auto documents = parse_yaml("a: &x\n  b: 1\nc: *x\n");
  const auto& fields = std::get<YamlNode::Mapping>(documents.at(0).value);

  CHECK(fields.at(1).value.line == 3);
  CHECK(std::get<YamlNode::Mapping>(fields.at(1).value.value).at(0).line == 2);
}

TEST_CASE("yaml: a field of its own beside a merged one is no duplicate", "[k8sclient][yaml]") {
  const auto documents =
      parse_yaml("a: &x {b: 1}\nc:\n  <<: *x\n  b: 2\nd:\n  <<: *x\n  b: 2\n  b: 3\n");

  CHECK(k8sclient::duplicate_fields(documents.at(0)) ==
        std::vector<std::pair<int, std::string>>{{8, "d.b"}});
}

TEST_CASE("yaml: aliases and merge keys that make no sense are refused", "[k8sclient][yaml]") {
  CHECK(error_line("a: 1\nb: *x\n") == 2);
  CHECK(error_line("a: 1\nb: &x [1, *x]\n") == 2);
  CHECK(error_line("a: &x 1\n---\nb: *x\n") == 3);  // anchors end with their document
  CHECK(error_line("a: 1\n<<: 2\n") == 2);
  CHECK(error_line("a: &x [1]\n<<: [*x]\n") == 2);
  CHECK(error_line("a: &x [1]\n*x : 1\n") == 2);
}

TEST_CASE("yaml: what aliases repeat is bounded", "[k8sclient][yaml]") {
  std::string laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n";
  for (int i = 1; i < 10; ++i) {
    laughs += fmt::format(
        "a{0}: &a{0} [*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1},*a{1}]\n", i, i - 1);
  }
  std::string merges = "a: &a {b: " + std::string(1U << 20U, 'x') + "}\n";
  for (int i = 0; i < 10; ++i) {
    merges += fmt::format("c{}: {{<<: *a}}\n", i);
  }
  std::string deep = "a0: &a0 [[[[[[[[[[]]]]]]]]]]\n";
  for (int i = 1; i < 10; ++i) {
    deep += fmt::format("a{0}: &a{0} [[[[[[[[[*a{1}]]]]]]]]]\n", i, i - 1);
  }

  CHECK_THROWS_WITH(parse_yaml(laughs), "aliases repeat too much");
  CHECK_THROWS_WITH(parse_yaml(merges), "aliases repeat too much");
  CHECK_THROWS_WITH(parse_yaml(deep), "nested deeper than 64 levels");
  CHECK_THROWS_WITH(parse_yaml("a: &x 1\nb: [*x, *x]\n", {.repeated_bytes = 200}),
                    "aliases repeat too much");
}

TEST_CASE("yaml: foreign tags and keys that are no scalars are refused", "[k8sclient][yaml]") {
  CHECK(error_line("a: !python/object x\n") == 1);
  CHECK(error_line("a: !!set {x}\nb: !mine {}\n") == 2);
  CHECK(error_line("{[1]: 2}\n") == 1);
}

TEST_CASE("yaml: depth is limited before the parser recurses", "[k8sclient][yaml]") {
  const std::string open(200'000, '[');
  const std::string close(200'000, ']');

  CHECK_THROWS_WITH(parse_yaml(open + close), "nested deeper than 64 levels");
  CHECK_THROWS_AS(parse_yaml(open), YamlError);
  CHECK_NOTHROW(parse_yaml(std::string(64, '[') + std::string(64, ']')));
  CHECK_THROWS_WITH(parse_yaml("[[]]", {.depth = 1}), "nested deeper than 1 levels");
}

TEST_CASE("yaml: size is limited", "[k8sclient][yaml]") {
  CHECK_THROWS_WITH(parse_yaml("a: 12", {.bytes = 4}), "larger than 4 bytes");
  CHECK_NOTHROW(parse_yaml("a: 1", {.bytes = 4}));
}

TEST_CASE("yaml: duplicate fields are found wherever they are", "[k8sclient][yaml]") {
  const auto documents = parse_yaml("a: 1\nb:\n- c: 1\n  c: 2\na: 3\n");

  CHECK(k8sclient::duplicate_fields(documents.at(0)) ==
        std::vector<std::pair<int, std::string>>{{4, "b[0].c"}, {5, "a"}});
}

TEST_CASE("yaml: what is written reads back", "[k8sclient][yaml]") {
  const std::string text =
      "address: \"[::]:10256\"\n"
      "empty: \"\"\n"
      "gates: {}\n"
      "list:\n"
      "  - plain\n"
      "  -\n"
      "    name: \"0.5\"\n"
      "    nested:\n"
      "      - 1\n"
      "      - []\n"
      "none: null\n"
      "odd: \"a \\\"b\\\"\\n #c: \\\\ \"\n"
      "word: \"yes\"\n";
  const auto documents = parse_yaml(text);
  REQUIRE(documents.size() == 1);

  CHECK(k8sclient::to_yaml(documents.front()) == text);
}

}  // namespace
