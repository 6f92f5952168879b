#include "k8sclient/objects/item_splitter.h"

#include <vector>

#include <catch2/catch.hpp>

#include "k8sclient/objects/field_error.h"

using k8sclient::ItemSplitter;

namespace {

struct Parts {
  std::string envelope;
  std::vector<std::string> items;

  bool operator==(const Parts&) const = default;
};

// Fed in pieces of that size.
Parts split(std::string_view text, std::size_t piece) {
  ItemSplitter splitter;
  Parts parts;
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    splitter.feed(text.substr(0, piece),
                  [&](std::string_view item) { parts.items.emplace_back(item); });
  }
  parts.envelope = splitter.envelope();
  return parts;
}

std::ostream& operator<<(std::ostream& stream, const Parts& parts) {
  stream << parts.envelope;
  for (const auto& item : parts.items) {
    stream << " | " << item;
  }
  return stream;
}

}  // namespace

TEST_CASE("item splitter: elements and envelope come apart, wherever the text is cut",
          "[k8sclient][item_splitter]") {
  struct Row {
    std::string text;
    Parts parts;
  };

  const auto row = GENERATE(values<Row>({
      {R"({"a":[1,{"items":[2]}],"items":[{"b":[3,4]},{"c":"]},\"\\"}],"d":5})",
       {R"({"a":[1,{"items":[2]}],"items":[],"d":5})", {R"({"b":[3,4]})", R"({"c":"]},\"\\"})"}}},
      {R"({"items" : [ ] })", {R"({"items" : [] })", {}}},
      {R"({"items":[1,,2]})", {R"({"items":[]})", {"1", "", "2"}}},
      {R"({"items":[1,]})", {R"({"items":[]})", {"1", ""}}},
      {R"({"\"items":[1]})", {R"({"\"items":[1]})", {}}},
      {R"({"kind":"items","x":[1]})", {R"({"kind":"items","x":[1]})", {}}},
      {R"({"items":{"a":[1]}})", {R"({"items":{"a":[1]}})", {}}},
      {R"({"items":[1],"items":[2]})", {R"({"items":[],"items":[]})", {"1", "2"}}},
      {R"([{"items":[1]}])", {R"([{"items":[1]}])", {}}},
      {R"({"items":[1,{"a")", {R"({"items":[)", {"1"}}},
      {"<html>]]}}", {"<html>]]}}", {}}},
  }));
  const auto piece = GENERATE(values<std::size_t>({1, 2, 3, 7, 1000}));
  CAPTURE(row.text, piece);

  CHECK(split(row.text, piece) == row.parts);
}

TEST_CASE("item splitter: neither an element nor what is around them may grow without end",
          "[k8sclient][item_splitter]") {
  const auto refusal = [](std::string_view start, std::size_t mebibytes) -> std::string {
    ItemSplitter splitter;
    const std::string piece(1U << 20U, 'x');
    try {
      splitter.feed(start, [](std::string_view) {});
      for (std::size_t i = 0; i < mebibytes; ++i) {
        splitter.feed(piece, [](std::string_view) {});
      }
    } catch (const k8sclient::FieldError& error) {
      return error.reason;
    }
    return "";
  };

  CHECK_THAT(refusal(R"({"metadata":")", 2), Catch::Contains("is larger than 1 MiB"));
  CHECK_THAT(refusal(R"({"items":[{"a":")", 17), Catch::Contains("is larger than 16 MiB"));
  CHECK(refusal(R"({"items":[{"a":")", 15).empty());
}
