#include "k8sclient/objects/query.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;

TEST_CASE("query: requests are kube-proxy's", "[k8sclient][query]") {
  CHECK(k8sclient::list_path(k8sclient::services_query(), "0", "") ==
        "/api/v1/services?labelSelector=%21service.kubernetes.io%2Fservice-proxy-name&"
        "fieldSelector=spec.clusterIP%21%3DNone&limit=500&resourceVersion=0");
  CHECK(k8sclient::list_path(k8sclient::endpoint_slices_query(), "", "a b/c") ==
        "/apis/discovery.k8s.io/v1/endpointslices?"
        "labelSelector=%21service.kubernetes.io%2Fheadless&limit=500&continue=a%20b%2Fc");
  CHECK(k8sclient::list_path(k8sclient::node_query("n1"), "7", "") ==
        "/api/v1/nodes?fieldSelector=metadata.name%3Dn1&limit=500&resourceVersion=7&"
        "resourceVersionMatch=NotOlderThan");
  CHECK(k8sclient::watch_path(k8sclient::node_query("n1"), "7", 300s) ==
        "/api/v1/nodes?fieldSelector=metadata.name%3Dn1&watch=true&allowWatchBookmarks=true&"
        "resourceVersion=7&timeoutSeconds=300");
  CHECK(k8sclient::streaming_list_path(k8sclient::node_query("n1"), 300s) ==
        "/api/v1/nodes?fieldSelector=metadata.name%3Dn1&watch=true&allowWatchBookmarks=true&"
        "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=300");
}
