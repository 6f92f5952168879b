#pragma once

#include <functional>
#include <string>
#include <vector>

#include "k8sclient/identity/kubeconfig.h"
#include "k8sclient/objects/types.h"
#include "test/support/fake_api.h"
#include "test/support/relay.h"

// What a Reflector does with a server that behaves well: the same for the fake and for a real
// kube-apiserver.

namespace test {

/// A server, the wire to it, and what can be done to both.
struct ApiTwin {
  k8sclient::ApiServer server;  // as a reader, through the relay
  Relay& relay;

  /// A namespace of Kubernetes, which must be there before objects are put into it.
  std::function<void(const std::string& name)> make_namespace;

  /// Adds or modifies an object; `fields` is the JSON behind its metadata. Labels that are not
  /// named stay, those without value go.
  std::function<void(const std::string& resource,
                     const k8sclient::ObjectName& name,
                     const std::string& fields,
                     const Labels& labels)>
      put;

  std::function<void(const std::string& resource, const k8sclient::ObjectName& name)> remove;

  /// Watches from before now become 410 Gone.
  std::function<void()> forget;

  /// A bookmark is on its way to each watch, or comes within seconds.
  std::function<void()> bookmark;
};

struct ApiBehaviour {
  std::string claim;

  /// Checks it, with Catch's macros, in a namespace of Kubernetes of its own.
  std::function<void(const ApiTwin& api, const std::string& name_space)> check;
};

const std::vector<ApiBehaviour>& api_behaviours();

/// All of them.
void check_behaviours(const ApiTwin& api);

}  // namespace test
