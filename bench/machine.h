#pragma once

#include <string>

#include "proxy/text/json.h"

namespace bench {

/// Where figures come from.
struct Machine {
  std::string processor;
  unsigned cores = 0;
  std::string kernel;
  std::string iptables;
  std::string clock;  // "wall time" or "processor time"
};

/// This one; runs `iptables --version`.
Machine this_machine(std::string clock);

/// "AMD EPYC, 2 cores, Linux 6.1, iptables v1.8.9; wall time".
std::string to_text(const Machine& machine);

proxy::JsonObject to_json_object(const Machine& machine);

}  // namespace bench
