#pragma once

#include <string_view>

namespace proxy {

/// The first document of a YAML text, up to the marker that ends it.
struct FirstDocument {
  std::string_view text;
  int next_line = 0;  // where more content stands, counted from 1; 0: nowhere
};

/// Where kube-proxy's reader stops: it looks at no more of a configuration file than this. Comments
/// and markers alone are no document. Total.
FirstDocument first_document(std::string_view text);

}  // namespace proxy
