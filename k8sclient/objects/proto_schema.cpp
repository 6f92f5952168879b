#include "k8sclient/objects/proto_schema.h"

#include "k8sclient/objects/types.h"

namespace k8sclient {

namespace {

constexpr auto kText = ProtoType::kText;
constexpr auto kInteger = ProtoType::kInteger;
constexpr auto kBoolean = ProtoType::kBoolean;
constexpr auto kMessage = ProtoType::kMessage;
constexpr auto kTextMap = ProtoType::kTextMap;
constexpr auto kNotZero = Presence::kNotZero;
constexpr auto kWritten = Presence::kWritten;
constexpr auto kMany = Presence::kMany;

// meta/v1

constexpr ProtoMessage kTime{};  // that it is there is all that counts

constexpr ProtoField kObjectMetaFields[] = {{1, "name"},
                                            {3, "namespace"},
                                            {5, "uid"},
                                            {6, "resourceVersion"},
                                            {9, "deletionTimestamp", kMessage, kWritten, &kTime},
                                            {11, "labels", kTextMap},
                                            {12, "annotations", kTextMap}};
constexpr ProtoMessage kObjectMeta{kObjectMetaFields};

constexpr ProtoField kListMetaFields[] = {{2, "resourceVersion"}, {3, "continue"}};

constexpr ProtoField kStatusDetailsFields[] = {{5, "retryAfterSeconds", kInteger}};
constexpr ProtoMessage kStatusDetails{kStatusDetailsFields};

constexpr ProtoField kStatusFields[] = {{3, "message"},
                                        {4, "reason"},
                                        {5, "details", kMessage, kWritten, &kStatusDetails},
                                        {6, "code", kInteger}};

// core/v1

constexpr ProtoField kClientIpFields[] = {{1, "timeoutSeconds", kInteger, kWritten}};
constexpr ProtoMessage kClientIp{kClientIpFields};

constexpr ProtoField kAffinityFields[] = {{1, "clientIP", kMessage, kWritten, &kClientIp}};
constexpr ProtoMessage kAffinity{kAffinityFields};

constexpr ProtoField kServicePortFields[] = {
    {1, "name"}, {2, "protocol"}, {3, "port", kInteger}, {5, "nodePort", kInteger}};
constexpr ProtoMessage kServicePort{kServicePortFields};

constexpr ProtoField kServiceSpecFields[] = {
    {1, "ports", kMessage, kMany, &kServicePort},
    {3, "clusterIP"},
    {4, "type"},
    {5, "externalIPs", kText, kMany},
    {7, "sessionAffinity"},
    {9, "loadBalancerSourceRanges", kText, kMany},
    {11, "externalTrafficPolicy"},
    {12, "healthCheckNodePort", kInteger},
    {14, "sessionAffinityConfig", kMessage, kWritten, &kAffinity},
    {18, "clusterIPs", kText, kMany},
    {19, "ipFamilies", kText, kMany},
    {22, "internalTrafficPolicy", kText, kWritten}};
constexpr ProtoMessage kServiceSpec{kServiceSpecFields};

constexpr ProtoField kIngressFields[] = {{1, "ip"}, {3, "ipMode", kText, kWritten}};
constexpr ProtoMessage kIngress{kIngressFields};

constexpr ProtoField kLoadBalancerFields[] = {{1, "ingress", kMessage, kMany, &kIngress}};
constexpr ProtoMessage kLoadBalancer{kLoadBalancerFields};

constexpr ProtoField kServiceStatusFields[] = {
    {1, "loadBalancer", kMessage, kNotZero, &kLoadBalancer}};
constexpr ProtoMessage kServiceStatus{kServiceStatusFields};

constexpr ProtoField kServiceFields[] = {{1, "metadata", kMessage, kNotZero, &kObjectMeta},
                                         {2, "spec", kMessage, kNotZero, &kServiceSpec},
                                         {3, "status", kMessage, kNotZero, &kServiceStatus}};
constexpr ProtoMessage kService{kServiceFields};

constexpr ProtoField kTaintFields[] = {{1, "key"}};
constexpr ProtoMessage kTaint{kTaintFields};

constexpr ProtoField kNodeSpecFields[] = {{5, "taints", kMessage, kMany, &kTaint},
                                          {7, "podCIDRs", kText, kMany}};
constexpr ProtoMessage kNodeSpec{kNodeSpecFields};

constexpr ProtoField kNodeAddressFields[] = {{1, "type"}, {2, "address"}};
constexpr ProtoMessage kNodeAddress{kNodeAddressFields};

constexpr ProtoField kNodeStatusFields[] = {{5, "addresses", kMessage, kMany, &kNodeAddress}};
constexpr ProtoMessage kNodeStatus{kNodeStatusFields};

constexpr ProtoField kNodeFields[] = {{1, "metadata", kMessage, kNotZero, &kObjectMeta},
                                      {2, "spec", kMessage, kNotZero, &kNodeSpec},
                                      {3, "status", kMessage, kNotZero, &kNodeStatus}};
constexpr ProtoMessage kNode{kNodeFields};

// discovery/v1

constexpr ProtoField kConditionsFields[] = {{1, "ready", kBoolean, kWritten},
                                            {2, "serving", kBoolean, kWritten},
                                            {3, "terminating", kBoolean, kWritten}};
constexpr ProtoMessage kConditions{kConditionsFields};

constexpr ProtoField kHintNameFields[] = {{1, "name"}};
constexpr ProtoMessage kHintName{kHintNameFields};

constexpr ProtoField kHintsFields[] = {{1, "forZones", kMessage, kMany, &kHintName},
                                       {2, "forNodes", kMessage, kMany, &kHintName}};
constexpr ProtoMessage kHints{kHintsFields};

constexpr ProtoField kEndpointFields[] = {{1, "addresses", kText, kMany},
                                          {2, "conditions", kMessage, kNotZero, &kConditions},
                                          {6, "nodeName", kText, kWritten},
                                          {8, "hints", kMessage, kWritten, &kHints}};
constexpr ProtoMessage kEndpoint{kEndpointFields};

constexpr ProtoField kEndpointPortFields[] = {{1, "name", kText, kWritten},
                                              {2, "protocol", kText, kWritten},
                                              {3, "port", kInteger, kWritten}};
constexpr ProtoMessage kEndpointPort{kEndpointPortFields};

constexpr ProtoField kSliceFields[] = {{1, "metadata", kMessage, kNotZero, &kObjectMeta},
                                       {2, "endpoints", kMessage, kMany, &kEndpoint},
                                       {3, "ports", kMessage, kMany, &kEndpointPort},
                                       {4, "addressType"}};
constexpr ProtoMessage kSlice{kSliceFields};

}  // namespace

template <>
const ProtoMessage& proto_message<Service>() {
  return kService;
}

template <>
const ProtoMessage& proto_message<EndpointSlice>() {
  return kSlice;
}

template <>
const ProtoMessage& proto_message<Node>() {
  return kNode;
}

const ProtoMessage kProtoStatus{kStatusFields};
const ProtoMessage kProtoListMeta{kListMetaFields};

}  // namespace k8sclient
