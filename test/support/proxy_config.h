#pragma once

#include <string>

#include "test/support/temporary_folder.h"

namespace test {

/// Writes a KubeProxyConfiguration of these YAML fields, which begin in line 3; the path of its
/// file.
inline std::string write_config(const TemporaryFolder& folder,
                                const std::string& fields,
                                const std::string& name = "config.yaml") {
  return folder
      .write(
          name,
          "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n" + fields)
      .string();
}

}  // namespace test
