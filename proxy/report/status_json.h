#pragma once

#include <string>

#include "proxy/report/status.h"

namespace proxy {

/// A summary of the status for programs, one JSON object of a bounded size: version, node, cluster,
/// since when, problems, each family's backend, rules and last sync, each watch's age, how many
/// services there are, and those of the status' page that are in quarantine, with the reason. Pure.
std::string to_json(const Status& status);

}  // namespace proxy
