#pragma once

#include <string>

#include "proxy/report/status.h"

namespace proxy {

/// The syncs of one family as an SVG drawing to be put into a page: a bar for each, from left to
/// right in time, as high as the sync took long (logarithmic, from 1 ms to 10 s), failed ones in
/// the class "failed". Hovering a bar shows its numbers. Pure; works without any sync.
std::string sync_plot(const FamilyStatus& family, std::chrono::system_clock::time_point now);

}  // namespace proxy
