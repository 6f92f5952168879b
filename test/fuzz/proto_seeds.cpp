// Prints nothing; writes to a folder, for each file of manifests, its Services and its slices as
// lists in protobuf, and its last Service as an event of a watch.
//   proto_seeds FOLDER MANIFESTS...

#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>
#include <simdjson.h>

#include "test/support/proto_text.h"

namespace {

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void convert(const std::string& folder, const std::string& path, int number) {
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parser.load(path);
  std::string services;
  std::string slices;
  std::string last;
  for (const simdjson::dom::element item : root["items"].get_array()) {
    const std::string_view kind = item["kind"].get_string();
    const std::string text = simdjson::minify(item);
    std::string* list = kind == "Service" ? &services : kind == "EndpointSlice" ? &slices : nullptr;
    if (list != nullptr) {
      *list += (list->empty() ? "" : ",") + text;
    }
    if (kind == "Service") {
      last = text;
    }
  }
  constexpr const char* kList =
      R"({{"kind":"{}List","metadata":{{"resourceVersion":"9","continue":"x"}},"items":[{}]}})";
  write(fmt::format("{}/{}-services", folder, number),
        test::to_protobuf(fmt::format(kList, "Service", services)));
  write(fmt::format("{}/{}-slices", folder, number),
        test::to_protobuf(fmt::format(kList, "EndpointSlice", slices)));
  if (!last.empty()) {
    write(fmt::format("{}/{}-event", folder, number),
          test::protobuf_frame("MODIFIED", last).substr(4));
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 2; i < argc; ++i) {
    convert(argv[1], argv[i], i);
  }
}
