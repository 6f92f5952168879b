#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "rules/service.h"

namespace proxy {

/// What a configuration file says to iptproxy alone: a second document behind the
/// KubeProxyConfiguration, with apiVersion iptproxy/v1alpha1 and kind IptproxyConfiguration.
/// kube-proxy reads the first document of a file and looks at no other, strict or not, so the same
/// file serves both.
struct OwnDocument {
  bool is_there = false;  // the text is such a document
  std::optional<rules::Layout> iptables_layout;
  std::vector<std::pair<int, std::string>> errors;  // line, "path: reason"
  std::vector<std::pair<int, std::string>> warnings;
};

/// Reads what stands behind the first document; `first_line` is the number of its first line. Text
/// that is no document of ours is not looked at further. Total.
OwnDocument read_own_document(std::string_view text, int first_line);

}  // namespace proxy
