// Any bytes as each of the smaller languages that come from outside: YAML, kubeconfig, a plugin's
// answer, base64, times, HTTP requests, lines, lists in pieces. The reader's own error is the
// answer to bad input, nothing else is; and what arrives in pieces is what arrives whole.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "k8sclient/base/base64.h"
#include "k8sclient/base/line_splitter.h"
#include "k8sclient/errors.h"
#include "k8sclient/identity/exec_plugin.h"
#include "k8sclient/identity/kubeconfig.h"
#include "k8sclient/objects/decode.h"
#include "k8sclient/objects/yaml.h"
#include "proxy/http/request_reader.h"
#include "proxy/text/rfc3339.h"

namespace {

void require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

template <typename Error, typename Read>
void attempt(const Read& read) {
  try {
    read();
  } catch (const Error&) {
    // the answer to bad input
  }
}

/// Calls with consecutive pieces of that size.
template <typename Use>
void in_pieces(std::string_view text, std::size_t size, const Use& use) {
  for (; !text.empty(); text.remove_prefix(std::min(size, text.size()))) {
    use(text.substr(0, size));
  }
}

/// A file in memory that holds the text.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view text) : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)) {
    require(write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  ~MemoryFile() { close(descriptor_); }

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

void read_yaml(std::string_view text) {
  attempt<k8sclient::YamlError>([&] {
    for (const k8sclient::YamlNode& node : k8sclient::parse_yaml(text)) {
      k8sclient::duplicate_fields(node);
      k8sclient::to_json(node);
      k8sclient::to_yaml(node);
    }
  });
}

void read_small_texts(std::string_view text) {
  const auto bytes = k8sclient::decode_base64(text);
  require(!bytes || k8sclient::decode_base64(k8sclient::encode_base64(*bytes)) == bytes);
  if (const auto time = proxy::parse_rfc3339(text)) {
    proxy::to_micro_time(*time);
  }
  for (const char* version :
       {"client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"}) {
    attempt<k8sclient::TransportError>([&] { k8sclient::decode_exec_credential(text, version); });
  }
}

std::vector<std::string> lines(std::string_view text, std::size_t piece) {
  std::vector<std::string> all;
  k8sclient::LineSplitter splitter(1U << 20U);
  in_pieces(text, piece, [&](std::string_view part) {
    splitter.feed(part, [&](std::string_view line) { all.emplace_back(line); });
  });
  all.push_back(splitter.rest());
  return all;
}

/// The list in short, or "error".
std::string list(std::string_view text, std::size_t piece) {
  k8sclient::ListDecoder<k8sclient::Service> decoder;
  std::string summary;
  try {
    in_pieces(text, piece, [&](std::string_view part) { decoder.feed(part); });
    const auto found = decoder.finish();
    summary = found.resource_version + " " + found.continue_token;
    for (const auto& service : found.objects) {
      summary += " " + to_string(service.name);
    }
    for (const auto& error : found.errors) {
      summary += std::string(" ") + error.what();
    }
  } catch (const k8sclient::DecodeError&) {
    summary = "error";
  }
  return summary;
}

/// The requests that come out of a connection. When one is refused, and with which status, may hang
/// on how much of it had arrived; never what is taken for a request.
std::vector<std::string> requests(std::string_view text, std::size_t piece) {
  std::vector<std::string> all;
  proxy::RequestReader reader;
  bool is_over = false;
  in_pieces(text, piece, [&](std::string_view part) {
    reader.receive(part);
    while (!is_over) {
      const proxy::ParsedRequest parsed = reader.next();
      if (const auto* whole = std::get_if<proxy::WholeRequest>(&parsed)) {
        all.push_back(whole->request.path);
      } else if (std::holds_alternative<proxy::BadRequest>(parsed)) {
        is_over = true;
      } else {
        break;
      }
    }
  });
  return all;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t piece = 1U + data[0] % 64U;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1,
                              size - 1);  // NOLINT: bytes as characters
  read_yaml(text);
  read_small_texts(text);
  attempt<k8sclient::KubeconfigError>([&] { k8sclient::read_kubeconfig(MemoryFile(text).path()); });
  require(lines(text, piece) == lines(text, size));
  require(list(text, piece) == list(text, size));
  require(requests(text, piece) == requests(text, size));
  return 0;
}
