#pragma once

#include <string>

#include "proxy/report/status.h"

namespace proxy {

/// The status for programs, one JSON object: version, node, cluster, since when, problems, each
/// family's backend, rules and last sync, each watch's age, how many service ports there are, and
/// those of the status' page with all that the page shows; once more by themselves those of them
/// that are in quarantine. Pure.
std::string to_json(const Status& status);

}  // namespace proxy
