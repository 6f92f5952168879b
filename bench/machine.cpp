#include "bench/machine.h"

#include <fstream>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <sys/utsname.h>

#include "proxy/host/process.h"

namespace bench {

namespace {

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "unknown processor";
}

}  // namespace

Machine this_machine(std::string clock) {
  utsname system{};
  uname(&system);
  std::string version = proxy::run({.argv = {"iptables", "--version"}}).output;
  version.erase(version.find_last_not_of('\n') + 1);
  return {.processor = processor(),
          .cores = std::thread::hardware_concurrency(),
          .kernel = system.release,
          .iptables = version,
          .clock = std::move(clock)};
}

std::string to_text(const Machine& machine) {
  return fmt::format("{}, {} cores, Linux {}, {}; {}",
                     machine.processor,
                     machine.cores,
                     machine.kernel,
                     machine.iptables,
                     machine.clock);
}

proxy::JsonObject to_json_object(const Machine& machine) {
  return proxy::JsonObject()
      .text("processor", machine.processor)
      .number("cores", machine.cores)
      .text("kernel", machine.kernel)
      .text("iptables", machine.iptables)
      .text("clock", machine.clock);
}

}  // namespace bench
