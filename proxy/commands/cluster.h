#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "proxy/cluster/store.h"
#include "proxy/config/config.h"
#include "proxy/explain/question.h"
#include "proxy/sync/host_facts.h"
#include "rules/compile.h"

namespace proxy {

/// A cluster at one moment, for commands that look once and end.
class Cluster {
 public:
  /// Loads the cluster that the configuration points to: files, or everything that the API server
  /// lists. What is wrong with single objects is logged, and they are left out. Throws when there
  /// is no cluster to be had: ConfigErrors, std::system_error, k8sclient::ApiError,
  /// k8sclient::TransportError.
  Cluster(const Config& config, const HostFacts& host);

  /// What iptproxy would want on this node.
  rules::Ruleset ruleset(rules::Family family);

  /// Its service ports.
  Store::Update services(rules::Family family) { return *store_.latest(family); }

  /// Addresses that are the node's own: the host's if this host is the node, else those of its Node
  /// object and loopback.
  const std::vector<rules::IpAddress>& local_addresses() const { return local_addresses_; }

  /// The objects around a Service, as they are: from the files, or asked of the API server. Throws
  /// as the constructor.
  Survey survey(const ServiceQuestion& question) const;

  /// Objects that could not be read, and were logged: what is wanted may be more than ruleset().
  std::size_t skipped() const { return skipped_; }

 private:
  const Config config_;
  const HostFacts host_;
  std::string node_name_;
  std::vector<rules::IpAddress> local_addresses_;
  Store store_;
  std::size_t skipped_ = 0;
  Survey files_;  // empty with an API server
};

}  // namespace proxy
