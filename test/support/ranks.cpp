#include "test/support/ranks.h"

namespace test {

std::vector<std::string> overtaken_cluster_ips(const std::vector<rules::Rule>& services_chain) {
  std::vector<std::string> overtaken;
  bool external_seen = false;
  for (const rules::Rule& rule : services_chain) {
    const std::string comment(comment_of(rule));
    external_seen =
        external_seen || comment.ends_with(" external IP") || comment.ends_with(" loadbalancer IP");
    if (external_seen && comment.ends_with(" cluster IP")) {
      overtaken.push_back(comment);
    }
  }
  return overtaken;
}

}  // namespace test
