#include <csignal>
#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "test/support/lab/lab.h"

// What test/lab starts: a lab that stays until SIGTERM or SIGINT.
//   iptproxy_lab STATE VARIANT LAYOUT [FLAG of iptproxy...]
// STATE becomes a file with this process' id, the lab's folder, its variant, and a line "HOST PATH"
// of each network namespace; it is there when all proxies are at work.

namespace {

void write_state(const std::string& path, const std::string& variant, const test::lab::Lab& lab) {
  std::ofstream state(path + ".new");
  state << fmt::format(
      "pid {}\nfolder {}\nvariant {}\n", ::getpid(), lab.folder().string(), variant);
  const auto& network = lab.network();
  auto hosts = network.nodes();
  for (const auto* pod : network.pods()) {
    hosts.push_back(pod);
  }
  hosts.push_back(&network.outside());
  for (const auto* host : hosts) {
    state << fmt::format("{} {}\n", host->name, host->space.path());
  }
  state.close();
  std::rename((path + ".new").c_str(), path.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() < 3) {
    std::fputs("usage: iptproxy_lab STATE VARIANT LAYOUT [FLAG...]\n", stderr);
    return 2;
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  try {
    const test::lab::Lab lab({.setup = {.variant = words[1], .layout = words[2]},
                              .flags = {words.begin() + 3, words.end()}});
    ::sigprocmask(SIG_BLOCK, &ends, nullptr);
    write_state(words[0], words[1], lab);
    int received = 0;
    ::sigwait(&ends, &received);
    std::remove(words[0].c_str());
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
  }
  return 0;
}
