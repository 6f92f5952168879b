#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace k8sclient {

/// What a YAML text may ask of its reader. yaml-cpp itself bounds neither what aliases expand to
/// nor the size.
struct YamlLimits {
  std::size_t bytes = 16U << 20U;
  int depth = 64;
};

struct YamlProblem {
  int line = 0;  // from 1; 0: the text as a whole
  std::string reason;

  bool operator==(const YamlProblem&) const = default;
};

/// The first thing that makes a text unfit to be loaded: syntax, size, depth, or an anchor or alias
/// (configuration needs none, and nested aliases expand without bound). Nothing if it is fit.
std::optional<YamlProblem> find_yaml_problem(std::string_view text, const YamlLimits& limits = {});

}  // namespace k8sclient
