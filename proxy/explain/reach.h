#pragma once

#include <vector>

#include "proxy/explain/explain.h"

namespace proxy {

/// The addresses of a service port, each with what becomes of the packets of every kind of sender.
/// `tables` are those of the Ruleset that holds it.
std::vector<Entrance> trace_entrances(const rules::Tables& tables,
                                      const rules::ServicePortName& name,
                                      const rules::ServicePort& port,
                                      const rules::Context& context);

}  // namespace proxy
