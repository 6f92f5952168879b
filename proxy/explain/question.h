#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "k8sclient/objects/types.h"
#include "rules/service.h"

namespace proxy {

/// What a question about a Service names: "shop/web", "shop/web:http", "shop/web:80/udp".
struct ServiceQuestion {
  std::string name_space;
  std::string service;
  std::string port;           // name or number; empty: all
  std::string protocol = {};  // "TCP", in capitals; empty: all

  bool operator==(const ServiceQuestion&) const = default;
};

/// A name without a namespace is in "default", as with kubectl; "service/web", "svc/web" and
/// "web.shop.svc" are understood, too; blanks around it do not count.
ServiceQuestion parse_question(std::string_view text);

/// "shop/web", "shop/web:80" or "shop/web:80/UDP".
std::string to_string(const ServiceQuestion& question);

bool is_asked_for(const ServiceQuestion& question,
                  const rules::ServicePortName& name,
                  const rules::ServicePort& port);

/// The objects of a cluster that tell why a question has no answer, or a Service no endpoints.
struct Survey {
  std::vector<k8sclient::Service> services;      // at least those of the name, in all namespaces
  std::vector<k8sclient::EndpointSlice> slices;  // at least those of the Service
  bool has_endpoints = false;                    // there is a v1 Endpoints object of its name
};

/// Why there is nothing to explain: one sentence, with what is there instead.
std::string why_no_answer(const ServiceQuestion& question, const Survey& survey);

/// Why a Service that has rules has endpoints on none or only some of its ports, where its
/// EndpointSlices are the reason; a sentence each.
std::vector<std::string> doubts_about_slices(const ServiceQuestion& question, const Survey& survey);

}  // namespace proxy
