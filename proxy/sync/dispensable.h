#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "rules/service.h"

namespace proxy {

// Parts of the base that serve well and are not needed to serve. They have numbers, the least loss
// first.

inline constexpr std::size_t kDispensableParts = 3;

/// The one that Services have rules of, too.
inline constexpr std::size_t kCountersPart = 0;

/// What it is, for people.
std::string_view dispensable_part(std::size_t part);

/// The settings that leave these parts out.
rules::Context without(rules::Context context, std::span<const std::size_t> parts);

}  // namespace proxy
