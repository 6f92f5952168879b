#pragma once

#include <string_view>

namespace k8sclient {

// The character sets of the API (apimachinery's validation). Names that pass can stand in a rule's
// comment and in a log line as they are: no quote, blank, newline, '%', ':' or '/' is in any.

/// RFC 1123 label: 1 to 63 of a-z, 0-9 and '-', the latter not at the ends. Namespaces, Services
/// and ports are named so.
bool is_dns_label(std::string_view text);

/// RFC 1123 subdomain: labels joined by dots, up to 253 characters in all and, as in the API, no
/// limit to each label. Nodes and EndpointSlices are named so.
bool is_dns_subdomain(std::string_view text);

/// Value of a label: empty, or up to 63 letters, digits, '-', '_' and '.', alphanumeric at the
/// ends.
bool is_label_value(std::string_view text);

}  // namespace k8sclient
