#include "proxy/explain/question.h"

#include <algorithm>
#include <iterator>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "k8sclient/objects/trim.h"
#include "proxy/text/spelling.h"

namespace proxy {
namespace {

using k8sclient::EndpointSlice;
using k8sclient::Service;

const Service* find_service(const ServiceQuestion& question, const Survey& survey) {
  const k8sclient::ObjectName name{question.name_space, question.service};
  const auto found = std::ranges::find(survey.services, name, &Service::name);
  return found == survey.services.end() ? nullptr : &*found;
}

std::vector<const EndpointSlice*> slices_of(const ServiceQuestion& question, const Survey& survey) {
  std::vector<const EndpointSlice*> slices;
  for (const EndpointSlice& slice : survey.slices) {
    if (slice.name.name_space == question.name_space && slice.service.view() == question.service) {
      slices.push_back(&slice);
    }
  }
  return slices;
}

std::string quoted_name(std::string_view name) {
  return name.empty() ? "without a name" : fmt::format("\"{}\"", name);
}

std::string port_text(const k8sclient::ServicePort& port) {
  return fmt::format("{}{}{}/{}{}",
                     port.name,
                     port.name.empty() ? "" : " ",
                     port.port,
                     port.protocol,
                     port.node_port == 0 ? "" : fmt::format(" (node port {})", port.node_port));
}

std::string asked_port(const ServiceQuestion& question) {
  return question.port + (question.protocol.empty() ? "" : "/" + question.protocol);
}

bool asks_for(const ServiceQuestion& question,
              std::string_view name,
              std::uint16_t number,
              std::string_view protocol) {
  return (question.port.empty() || question.port == name ||
          question.port == fmt::to_string(number)) &&
         (question.protocol.empty() || question.protocol == protocol);
}

std::string_view kubernetes_name(rules::Protocol protocol) {
  return protocol == rules::Protocol::kTcp   ? "TCP"
         : protocol == rules::Protocol::kUdp ? "UDP"
                                             : "SCTP";
}

std::string ports_text(const Service& service) {
  std::vector<std::string> ports;
  std::ranges::transform(service.ports, std::back_inserter(ports), port_text);
  return fmt::format("{}", fmt::join(ports, ", "));
}

/// Whose cluster IP it is, or another way to ask; empty if the name is no address.
std::string about_address(const ServiceQuestion& question, const Survey& survey) {
  const auto address = rules::IpAddress::parse(question.service);
  if (!address) {
    return {};
  }
  for (const Service& service : survey.services) {
    for (const std::string& own : service.cluster_ips) {
      if (rules::IpAddress::parse(own) == address) {
        return fmt::format(
            "; {} is the cluster IP of Service {}", question.service, to_string(service.name));
      }
    }
  }
  return "; where packets to an address go is told by --from ADDRESS --to ADDRESS:PORT/PROTOCOL";
}

std::string no_such_service(const ServiceQuestion& question, const Survey& survey) {
  std::set<std::string> namespaces;
  std::vector<std::string_view> neighbours;
  for (const Service& service : survey.services) {
    if (service.name.name == question.service) {
      namespaces.insert(service.name.name_space);
    } else if (service.name.name_space == question.name_space) {
      neighbours.push_back(service.name.name);
    }
  }
  const std::string text =
      fmt::format("there is no Service {}/{}", question.name_space, question.service);
  if (!namespaces.empty()) {
    return fmt::format(
        "{}; a Service {} is in namespace {}", text, question.service, fmt::join(namespaces, ", "));
  }
  if (const std::string about = about_address(question, survey); !about.empty()) {
    return text + about;
  }
  const std::string_view close = closest(question.service, neighbours);
  return close.empty() ? text
                       : fmt::format("{}; did you mean {}/{}?", text, question.name_space, close);
}

/// What the number is, if it is no port of the Service.
std::string other_meaning(const ServiceQuestion& question,
                          const Service& service,
                          const Survey& survey) {
  for (const k8sclient::ServicePort& port : service.ports) {
    if (fmt::to_string(port.node_port) == question.port) {
      return fmt::format(" ({} is the node port of its port {})", question.port, port.port);
    }
  }
  for (const EndpointSlice* slice : slices_of(question, survey)) {
    for (const k8sclient::EndpointPort& port : slice->ports) {
      if (port.port && fmt::to_string(*port.port) == question.port) {
        return fmt::format(" ({} is the port of its endpoints)", question.port);
      }
    }
  }
  return {};
}

bool has_port(const Service& service, const ServiceQuestion& question) {
  return question.port.empty() ||
         std::ranges::any_of(service.ports, [&](const k8sclient::ServicePort& port) {
           return asks_for(question, port.name, port.port, port.protocol);
         });
}

std::string slice_ports_text(const std::vector<const EndpointSlice*>& slices) {
  std::set<std::string> ports;
  for (const EndpointSlice* slice : slices) {
    for (const k8sclient::EndpointPort& port : slice->ports) {
      ports.insert(fmt::format(
          "{} ({}/{})", quoted_name(port.name.value_or("")), port.port.value_or(0), port.protocol));
    }
  }
  return ports.empty() ? "there are none" : fmt::format("there are {}", fmt::join(ports, ", "));
}

bool serves(const std::vector<const EndpointSlice*>& slices, const k8sclient::ServicePort& port) {
  return std::ranges::any_of(slices, [&](const EndpointSlice* slice) {
    return std::ranges::any_of(slice->ports, [&](const k8sclient::EndpointPort& candidate) {
      return candidate.name.value_or("") == port.name && candidate.protocol == port.protocol;
    });
  });
}

std::string no_slices(const ServiceQuestion& question, bool has_endpoints) {
  const std::string text = fmt::format(
      "Service {}/{} has no EndpointSlice (one with the label "
      "kubernetes.io/service-name: {})",
      question.name_space,
      question.service,
      question.service);
  return has_endpoints ? text +
                             "; there are Endpoints, which are not read: the cluster makes "
                             "EndpointSlices out of them"
                       : text;
}

/// "web.shop" and "web.shop.svc.cluster.local", as DNS has it: no Service has a dot in its name.
void read_dns_name(ServiceQuestion& question) {
  const std::string name = question.service;
  const std::size_t dot = name.find('.');
  if (dot == std::string::npos || rules::IpAddress::parse(name)) {
    return;
  }
  question.service = name.substr(0, dot);
  question.name_space = name.substr(dot + 1, name.find('.', dot + 1) - dot - 1);
}

}  // namespace

ServiceQuestion parse_question(std::string_view text) {
  text = k8sclient::trimmed(text);
  for (const std::string_view kind : {"service/", "services/", "svc/"}) {
    if (text.starts_with(kind) && text.find('/', kind.size()) == std::string_view::npos) {
      text.remove_prefix(kind.size());
      break;
    }
  }
  const std::size_t slash = text.find('/');
  const std::size_t colon = text.find(':', slash == std::string_view::npos ? 0 : slash);
  const bool has_namespace = slash != std::string_view::npos && slash < colon;
  ServiceQuestion question{
      .name_space = has_namespace ? std::string(text.substr(0, slash)) : std::string("default"),
      .service = {},
      .port = {}};
  const std::size_t start = has_namespace ? slash + 1 : 0;
  question.service = text.substr(start, colon == std::string_view::npos ? colon : colon - start);
  if (colon != std::string_view::npos) {
    const std::string_view port = text.substr(colon + 1);
    const std::size_t end = std::min(port.find('/'), port.size());
    question.port = port.substr(0, end);
    std::ranges::transform(
        port.substr(std::min(end + 1, port.size())),
        std::back_inserter(question.protocol),
        [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  }
  if (!has_namespace) {
    read_dns_name(question);
  }
  return question;
}

std::string to_string(const ServiceQuestion& question) {
  return fmt::format("{}/{}{}",
                     question.name_space,
                     question.service,
                     question.port.empty() ? "" : ":" + asked_port(question));
}

bool is_asked_for(const ServiceQuestion& question,
                  const rules::ServicePortName& name,
                  const rules::ServicePort& port) {
  return question.name_space == name.name_space && question.service == name.service &&
         asks_for(question, name.port, port.port, kubernetes_name(name.protocol));
}

std::string why_no_answer(const ServiceQuestion& question, const Survey& survey) {
  const Service* service = find_service(question, survey);
  if (service == nullptr) {
    return no_such_service(question, survey);
  }
  const std::string name = fmt::format("Service {}", to_string(service->name));
  if (service->has_service_proxy_name) {
    return name +
           " belongs to another proxy (label service.kubernetes.io/service-proxy-name), which "
           "makes "
           "its rules";
  }
  if (service->type == "ExternalName") {
    return name +
           " is of type ExternalName: DNS answers for it with another name, there are no rules";
  }
  if (service->cluster_ip == "None") {
    return name +
           " is headless (clusterIP: None): DNS gives clients its endpoints' own addresses, there "
           "are no rules";
  }
  if (!has_port(*service, question)) {
    return fmt::format("{} has no port \"{}\"{}; it has {}",
                       name,
                       asked_port(question),
                       other_meaning(question, *service, survey),
                       service->ports.empty() ? "none" : ports_text(*service));
  }
  if (service->cluster_ip.empty()) {
    return name + " has no clusterIP (a cluster assigns one), so there are no rules";
  }
  return name + " has no port that can be served: see the log for the reason";
}

std::vector<std::string> doubts_about_slices(const ServiceQuestion& question,
                                             const Survey& survey) {
  const Service* service = find_service(question, survey);
  if (service == nullptr) {
    return {};
  }
  const auto slices = slices_of(question, survey);
  if (slices.empty()) {
    return {no_slices(question, survey.has_endpoints)};
  }
  std::vector<std::string> doubts;
  for (const k8sclient::ServicePort& port : service->ports) {
    if (asks_for(question, port.name, port.port, port.protocol) && !serves(slices, port)) {
      doubts.push_back(fmt::format(
          "no EndpointSlice of Service {} has a port {} of {}, as the Service's port {} "
          "needs: {}",
          to_string(service->name),
          port.name.empty() ? "without a name" : fmt::format("\"{}\"", port.name),
          port.protocol,
          port.port,
          slice_ports_text(slices)));
    }
  }
  return doubts;
}

}  // namespace proxy
