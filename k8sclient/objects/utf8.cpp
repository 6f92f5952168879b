#include "k8sclient/objects/utf8.h"

#include "k8sclient/objects/json.h"

namespace k8sclient {

bool is_utf8(std::string_view text) {
  return simdjson::validate_utf8(text.data(), text.size());
}

}  // namespace k8sclient
