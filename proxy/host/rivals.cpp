#include "proxy/host/rivals.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <exception>
#include <filesystem>
#include <optional>

#include <fmt/format.h>
#include <unistd.h>

#include "k8sclient/watch/transport.h"
#include "proxy/host/file.h"

namespace proxy {
namespace {

namespace fs = std::filesystem;

std::optional<int> process_number(const std::string& name) {
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  return error == std::errc() && end == name.data() + name.size() ? std::optional(number)
                                                                  : std::nullopt;
}

std::string network_namespace(const fs::path& process) {
  std::error_code error;
  return fs::read_symlink(process / "ns/net", error).string();  // empty if it may not be seen
}

std::optional<Rival> rival_in(const fs::path& process, const std::string& own_namespace) {
  const auto number = process_number(process.filename().string());
  if (!number || *number == getpid()) {
    return std::nullopt;
  }
  try {
    std::string name = read_file((process / "comm").string());
    name = name.substr(0, name.find('\n'));
    const bool is_one =
        name == "kube-proxy" ||
        (name == "iptproxy" && is_daemon(read_file((process / "cmdline").string())));
    const std::string its_namespace = is_one ? network_namespace(process) : "";
    if (!is_one || (!its_namespace.empty() && its_namespace != own_namespace)) {
      return std::nullopt;
    }
    return Rival{*number, std::move(name)};
  } catch (const std::exception&) {
    return std::nullopt;  // it has ended meanwhile
  }
}

/// An answer that proxies give, kube-proxy and this one, and hardly anybody else.
struct Signature {
  std::uint16_t port;
  const char* path;
  bool is_json;
  std::vector<std::string_view> beginnings;
};

const std::array kSignatures{
    Signature{10249, "/proxyMode", false, {"iptables", "ipvs", "nftables", "userspace"}},
    Signature{10256, "/healthz", true, {"{\"lastUpdated\":"}}};

bool fits(const Signature& signature) {
  constexpr std::chrono::seconds kPatience{1};
  constexpr std::size_t kMostBytes = 64U << 10U;
  try {
    const auto transport =
        k8sclient::make_transport({.url = fmt::format("http://127.0.0.1:{}", signature.port)},
                                  "iptproxy",
                                  {.head = kPatience,
                                   .silence = kPatience,
                                   .line_bytes = kMostBytes,
                                   .body_bytes = kMostBytes});
    const std::string answer = signature.is_json ? transport->get(signature.path, {})
                                                 : transport->get_text(signature.path, {});
    return std::ranges::any_of(signature.beginnings, [&](std::string_view beginning) {
      return answer.starts_with(beginning);
    });
  } catch (const std::exception&) {
    return false;  // nobody is there, or no proxy
  }
}

}  // namespace

std::vector<std::string> answering_proxies(std::span<const std::uint16_t> own) {
  std::vector<std::string> found;
  for (const Signature& signature : kSignatures) {
    if (std::ranges::find(own, signature.port) == own.end() && fits(signature)) {
      found.push_back(fmt::format("what answers on port {}", signature.port));
    }
  }
  return found;
}

std::string to_string(const Rival& rival) {
  return fmt::format("{} (process {})", rival.name, rival.process);
}

bool is_daemon(std::string_view command_line) {
  const auto next = [&command_line] {
    const std::string_view word = command_line.substr(0, command_line.find('\0'));
    command_line.remove_prefix(std::min(word.size() + 1, command_line.size()));
    return word;
  };
  next();  // the program
  const std::string_view command = next();
  if (!command.empty() && command != "run" && !command.starts_with('-')) {
    return false;
  }
  for (std::string_view word = command; !word.empty(); word = next()) {
    if (word == "--once" || word == "--cleanup" || word == "--init-only" ||
        word.starts_with("--validate-config") || word.starts_with("--version")) {
      return false;
    }
  }
  return true;
}

std::vector<Rival> find_rivals(const std::string& proc) {
  std::vector<Rival> rivals;
  const std::string own_namespace = network_namespace(fs::path(proc) / "self");
  std::error_code error;
  fs::directory_iterator entry(proc, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    if (auto rival = rival_in(entry->path(), own_namespace)) {
      rivals.push_back(*std::move(rival));
    }
  }
  std::ranges::sort(rivals, {}, &Rival::process);
  return rivals;
}

}  // namespace proxy
