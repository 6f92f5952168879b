#include "test/support/paths.h"

namespace test {

std::filesystem::path source_folder() {
  return IPTPROXY_SOURCE_DIR;
}

std::string program_path() {
  return IPTPROXY_PROGRAM;
}

}  // namespace test
