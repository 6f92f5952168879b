#pragma once

#include <memory>

#include "rules/service.h"

namespace bench {

/// S ClusterIP Services of one TCP port with E ready endpoints each, of 10.96.0.0/12
/// and 10.128.0.0/9: what kube-proxy's own figures are about.
rules::Snapshot plain_cluster(std::size_t services, std::size_t endpoints);

/// The same cluster after the first endpoint of service `service` moved to another address, to
/// which no other `round` leads. The other service ports are the very same objects.
rules::Snapshot with_moved_endpoint(const rules::Snapshot& snapshot,
                                    std::size_t service,
                                    std::size_t round);

/// The same cluster with one Service more.
rules::Snapshot with_added_service(const rules::Snapshot& snapshot,
                                   std::size_t number,
                                   std::size_t endpoints);

/// A node of that cluster, with the settings of a kubeadm cluster. Large-cluster mode as kube-proxy
/// would choose it.
rules::Context node_of(const rules::Snapshot& snapshot);

}  // namespace bench
