#include "bench/api_objects.h"

#include <fmt/format.h>

namespace bench {

namespace {

constexpr std::size_t kNodes = 5000;

// Endpoint number `index` of the cluster.
std::string endpoint(std::size_t index, std::size_t round) {
  const std::size_t node = (index * 7919 + round) % kNodes;
  return fmt::format(
      R"({{"addresses":["10.{}.{}.{}"],"conditions":{{"ready":true,"serving":true,)"
      R"("terminating":false}},"targetRef":{{"kind":"Pod","namespace":"shop","name":)"
      R"("web-{}-7d4b9c6f5d-x2x{}","uid":"5b6e7c1a-3f0d-4f5e-9a57-{:012}"}},)"
      R"("nodeName":"node-{}.eu-central-1.compute.internal","zone":"eu-central-1{}",)"
      R"("hints":{{"forZones":[{{"name":"eu-central-1{}"}}]}}}})",
      index >> 16U & 255U,
      index >> 8U & 255U,
      index & 255U,
      index,
      index % 1000,
      index,
      node,
      static_cast<char>('a' + node % 3),
      static_cast<char>('a' + node % 3));
}

}  // namespace

ApiObject service_object(std::size_t index) {
  const std::string app = fmt::format("web-{}", index);
  return {
      .name = {"shop", app},
      .labels = {{"app", app}, {"app.kubernetes.io/managed-by", "Helm"}},
      .metadata = fmt::format(
          R"("uid":"1c1d2e3f-aaaa-4bbb-8ccc-{:012}","creationTimestamp":"2024-05-01T10:00:00Z",)"
          R"("annotations":{{"meta.helm.sh/release-name":"{}","meta.helm.sh/release-namespace":)"
          R"("shop"}},"managedFields":[{{"manager":"helm","operation":"Update","apiVersion":"v1",)"
          R"("time":"2024-05-01T10:00:00Z","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":)"
          R"({{"f:annotations":{{".":{{}},"f:meta.helm.sh/release-name":{{}}}},"f:labels":{{".":)"
          R"({{}},"f:app":{{}}}}}},"f:spec":{{"f:internalTrafficPolicy":{{}},"f:ports":{{".":{{}},)"
          R"("k:{{\"port\":80,\"protocol\":\"TCP\"}}":{{".":{{}},"f:name":{{}},"f:port":{{}},)"
          R"("f:protocol":{{}},"f:targetPort":{{}}}}}},"f:selector":{{}},"f:sessionAffinity":{{}},)"
          R"("f:type":{{}}}}}}}}])",
          index,
          app),
      .fields = fmt::format(
          R"("spec":{{"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":"http"}}],)"
          R"("selector":{{"app":"{0}"}},"clusterIP":"10.{1}.{2}.{3}","clusterIPs":["10.{1}.{2}.{3}"],)"
          R"("type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":)"
          R"("SingleStack","internalTrafficPolicy":"Cluster"}},"status":{{"loadBalancer":{{}}}})",
          app,
          96 + (index >> 16U),
          index >> 8U & 255U,
          index & 255U)};
}

ApiObject slice_object(std::size_t index, std::size_t endpoints, std::size_t round) {
  std::string list;
  for (std::size_t i = 0; i < endpoints; ++i) {
    list += (i == 0 ? "" : ",") + endpoint(index * endpoints + i, i == 0 ? round : 0);
  }
  return {.name = {"shop", fmt::format("web-{}-x7k2p", index)},
          .labels = {{"endpointslice.kubernetes.io/managed-by", "endpointslice-controller.k8s.io"},
                     {"kubernetes.io/service-name", fmt::format("web-{}", index)}},
          .metadata = fmt::format(
              R"("generateName":"web-{0}-","uid":"0c1d2e3f-aaaa-4bbb-8ccc-{0:012}","generation":3,)"
              R"("creationTimestamp":"2024-05-01T10:00:00Z","annotations":{{)"
              R"("endpoints.kubernetes.io/last-change-trigger-time":"2024-05-01T10:00:01Z"}},)"
              R"("ownerReferences":[{{"apiVersion":"v1","kind":"Service","name":"web-{0}","uid":)"
              R"("1c1d2e3f-aaaa-4bbb-8ccc-{0:012}","controller":true,"blockOwnerDeletion":true}}],)"
              R"("managedFields":[{{"manager":"kube-controller-manager","operation":"Update",)"
              R"("apiVersion":"discovery.k8s.io/v1","time":"2024-05-01T10:00:01Z","fieldsType":)"
              R"("FieldsV1","fieldsV1":{{"f:addressType":{{}},"f:endpoints":{{}},"f:metadata":{{)"
              R"("f:annotations":{{".":{{}}}},"f:labels":{{".":{{}}}}}},"f:ports":{{}}}}}}])",
              index),
          .fields = fmt::format(R"("addressType":"IPv4","endpoints":[{}],"ports":[{{"name":"http",)"
                                R"("protocol":"TCP","port":8080}}])",
                                list)};
}

}  // namespace bench
