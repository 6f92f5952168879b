#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "k8sclient/objects/types.h"
#include "test/support/generators.h"

namespace test {

using ClusterEvent = std::variant<k8sclient::Event<k8sclient::Service>,
                                  k8sclient::Event<k8sclient::EndpointSlice>,
                                  k8sclient::Event<k8sclient::Node>>;

/// A random cluster that changes at random, and what watches of it report.
class ClusterHistory {
 public:
  ClusterHistory(std::uint64_t seed, ClusterSize size);

  /// As it is now.
  const Cluster& cluster() const { return cluster_; }

  /// The complete lists, one event for each kind.
  std::vector<ClusterEvent> lists() const;

  /// Changes the cluster, or nothing but metadata, and returns the event. Now and then it is a list
  /// that comprises several changes, as after a broken watch.
  ClusterEvent next();

 private:
  ClusterEvent change_service();
  ClusterEvent change_slice();
  ClusterEvent change_node();
  ClusterEvent relist_slices();
  void change(k8sclient::EndpointSlice& slice);

  ClusterGenerator generator_;
  ClusterSize size_;
  Cluster cluster_;
};

}  // namespace test
