#include "k8sclient/objects/objects.h"

#include <limits>
#include <utility>

#include "k8sclient/objects/json.h"
#include "k8sclient/objects/object_name.h"
#include "k8sclient/objects/proto.h"
#include "k8sclient/objects/quote.h"

namespace k8sclient {

namespace {

std::string_view text_that(bool (*is_valid)(std::string_view), const auto& value) {
  const std::string_view text = value.text();
  if (!is_valid(text)) {
    value.fail(in_quotes(text) + " is not a valid name");
  }
  return text;
}

std::vector<std::string> texts(const auto& list) {
  std::vector<std::string> result;
  list.items([&](const auto& item) { result.emplace_back(item.text()); });
  return result;
}

std::vector<SharedString> names_of(const auto& list) {
  std::vector<SharedString> result;
  list.items([&](const auto& item) {
    item.fields([&](std::string_view key, const auto& value) {
      if (key == "name") {
        result.push_back(SharedString::intern(value.text()));
      }
    });
  });
  return result;
}

/// What a port of a Service and one of a slice are known by.
void read_port_name(auto& port, std::string_view key, const auto& value) {
  if (key == "name") {
    port.name = value.text().empty() ? "" : text_that(is_dns_label, value);
  } else if (key == "protocol") {
    port.protocol = value.text();
  }
}

ServicePort read_service_port(const auto& json) {
  ServicePort port;
  json.fields([&](std::string_view key, const auto& value) {
    read_port_name(port, key, value);
    if (key == "port") {
      port.port = static_cast<std::uint16_t>(value.integer(1, 65535));
    } else if (key == "nodePort") {
      port.node_port = value.port();
    }
  });
  if (port.port == 0) {
    json.fail("port is missing");
  }
  return port;
}

std::vector<LoadBalancerIngress> read_ingress(const auto& status) {
  std::vector<LoadBalancerIngress> result;
  const auto read_one = [&](const auto& json) {
    LoadBalancerIngress ingress;
    json.fields([&](std::string_view key, const auto& value) {
      if (key == "ip") {
        ingress.ip = value.text();
      } else if (key == "ipMode") {
        ingress.ip_mode = value.text();
      }
    });
    result.push_back(std::move(ingress));
  };
  status.fields([&](std::string_view key, const auto& value) {
    if (key == "loadBalancer") {
      value.fields([&](std::string_view inner, const auto& list) {
        if (inner == "ingress") {
          list.items(read_one);
        }
      });
    }
  });
  return result;
}

std::optional<std::int32_t> read_client_ip_timeout(const auto& affinity_config) {
  std::optional<std::int32_t> timeout;
  affinity_config.fields([&](std::string_view key, const auto& client_ip) {
    if (key == "clientIP") {
      client_ip.fields([&](std::string_view inner, const auto& value) {
        if (inner == "timeoutSeconds") {
          constexpr auto kMost = std::numeric_limits<std::int32_t>::max();
          timeout = static_cast<std::int32_t>(value.integer(0, kMost));
        }
      });
    }
  });
  return timeout;
}

void read_spec_field(std::string_view key, const auto& value, Service& service) {
  if (key == "type") {
    service.type = value.text();
  } else if (key == "clusterIP") {
    service.cluster_ip = value.text();
  } else if (key == "clusterIPs") {
    service.cluster_ips = texts(value);
  } else if (key == "ipFamilies") {
    service.ip_families = texts(value);
  } else if (key == "externalIPs") {
    service.external_ips = texts(value);
  } else if (key == "loadBalancerSourceRanges") {
    service.load_balancer_source_ranges = texts(value);
  } else if (key == "sessionAffinity") {
    service.session_affinity = value.text();
  } else if (key == "sessionAffinityConfig") {
    service.client_ip_timeout_seconds = read_client_ip_timeout(value);
  } else if (key == "externalTrafficPolicy") {
    service.external_traffic_policy = value.text();
  } else if (key == "internalTrafficPolicy") {
    service.internal_traffic_policy = value.text();
  } else if (key == "healthCheckNodePort") {
    service.health_check_node_port = value.port();
  } else if (key == "ports") {
    value.items([&](const auto& item) { service.ports.push_back(read_service_port(item)); });
  }
}

void read_conditions(const auto& json, Endpoint& endpoint) {
  json.fields([&](std::string_view key, const auto& value) {
    if (key == "ready") {
      endpoint.ready = value.boolean();
    } else if (key == "serving") {
      endpoint.serving = value.boolean();
    } else if (key == "terminating") {
      endpoint.terminating = value.boolean();
    }
  });
}

Endpoint read_endpoint(const auto& json) {
  Endpoint endpoint;
  json.fields([&](std::string_view key, const auto& value) {
    if (key == "addresses") {
      bool is_first = true;
      value.items([&](const auto& item) {
        const std::string_view address = item.text();
        if (std::exchange(is_first, false)) {
          endpoint.address = address;
        }
      });
    } else if (key == "conditions") {
      read_conditions(value, endpoint);
    } else if (key == "nodeName") {
      endpoint.node_name = SharedString::intern(value.text());
    } else if (key == "hints") {
      value.fields([&](std::string_view inner, const auto& list) {
        if (inner == "forZones") {
          endpoint.zone_hints = names_of(list);
        } else if (inner == "forNodes") {
          endpoint.node_hints = names_of(list);
        }
      });
    }
  });
  return endpoint;
}

EndpointPort read_endpoint_port(const auto& json) {
  EndpointPort port;
  json.fields([&](std::string_view key, const auto& value) {
    read_port_name(port, key, value);
    if (key == "port") {
      port.port = value.port();
    }
  });
  return port;
}

NodeAddress read_node_address(const auto& json) {
  NodeAddress address;
  json.fields([&](std::string_view key, const auto& value) {
    if (key == "type") {
      address.type = value.text();
    } else if (key == "address") {
      address.address = value.text();
    }
  });
  return address;
}

// Calls visit(key, value) for each label of an object's metadata.
template <typename Visitor>
void visit_labels(std::string_view key, const auto& value, Visitor visit) {
  if (key == "labels") {
    value.fields(visit);
  }
}

ObjectName read_name(const auto& metadata, bool (*is_valid)(std::string_view)) {
  ObjectName name;
  metadata.fields([&](std::string_view key, const auto& value) {
    if (key == "name") {
      name.name = text_that(is_valid, value);
    } else if (key == "namespace") {
      name.name_space = text_that(is_dns_label, value);
    }
  });
  return name;
}

void read_metadata(const auto& metadata, Service& service) {
  service.name = read_name(metadata, is_dns_label);
  metadata.fields([&](std::string_view key, const auto& value) {
    visit_labels(key, value, [&](std::string_view label, const auto&) {
      service.has_service_proxy_name |= label == "service.kubernetes.io/service-proxy-name";
    });
  });
}

void read_metadata(const auto& metadata, EndpointSlice& slice) {
  slice.name = read_name(metadata, is_dns_subdomain);
  metadata.fields([&](std::string_view key, const auto& value) {
    visit_labels(key, value, [&](std::string_view label, const auto& text) {
      slice.is_headless |= label == "service.kubernetes.io/headless";
      if (label == "kubernetes.io/service-name") {
        slice.service = SharedString::intern(text_that(is_label_value, text));
      }
    });
    if (key == "annotations") {
      value.fields([&](std::string_view annotation, const auto& text) {
        if (annotation == "endpoints.kubernetes.io/last-change-trigger-time") {
          slice.last_change_trigger_time = on_one_line(text.raw_text());
        }
      });
    }
  });
}

void read_metadata(const auto& metadata, Node& node) {
  node.name = {{}, read_name(metadata, is_dns_subdomain).name};
  metadata.fields([&](std::string_view key, const auto& value) {
    visit_labels(key, value, [&](std::string_view label, const auto& text) {
      if (label == "topology.kubernetes.io/zone") {
        node.zone = text_that(is_label_value, text);
      }
    });
    if (key == "uid") {
      node.uid = value.text();
    }
    node.is_being_deleted |= key == "deletionTimestamp";
  });
}

void read_node_spec(std::string_view key, const auto& value, Node& node) {
  if (key == "podCIDRs") {
    node.pod_cidrs = texts(value);
  } else if (key == "taints") {
    value.items([&](const auto& taint) {
      taint.fields([&](std::string_view inner, const auto& text) {
        if (inner == "key") {
          node.taint_keys.emplace_back(text.text());
        }
      });
    });
  }
}

void read_fields(const auto& json, Service& service) {
  json.fields([&](std::string_view key, const auto& value) {
    if (key == "metadata") {
      read_metadata(value, service);
    } else if (key == "spec") {
      value.fields([&](std::string_view inner, const auto& field) {
        read_spec_field(inner, field, service);
      });
    } else if (key == "status") {
      service.ingress = read_ingress(value);
    }
  });
}

void read_fields(const auto& json, EndpointSlice& slice) {
  json.fields([&](std::string_view key, const auto& value) {
    if (key == "metadata") {
      read_metadata(value, slice);
    } else if (key == "addressType") {
      slice.address_type = value.text();
    } else if (key == "endpoints") {
      value.items([&](const auto& item) { slice.endpoints.push_back(read_endpoint(item)); });
      slice.endpoints.shrink_to_fit();
    } else if (key == "ports") {
      value.items([&](const auto& item) { slice.ports.push_back(read_endpoint_port(item)); });
    }
  });
}

void read_fields(const auto& json, Node& node) {
  json.fields([&](std::string_view key, const auto& value) {
    if (key == "metadata") {
      read_metadata(value, node);
    } else if (key == "spec") {
      value.fields(
          [&](std::string_view inner, const auto& field) { read_node_spec(inner, field, node); });
    } else if (key == "status") {
      value.fields([&](std::string_view inner, const auto& list) {
        if (inner == "addresses") {
          list.items([&](const auto& item) { node.addresses.push_back(read_node_address(item)); });
        }
      });
    }
  });
}

}  // namespace

template <typename T, typename Value>
T read_object(const Value& value) {
  T object;
  read_fields(value, object);
  return object;
}

template Service read_object(const Json& value);
template Service read_object(const Proto& value);
template EndpointSlice read_object(const Json& value);
template EndpointSlice read_object(const Proto& value);
template Node read_object(const Json& value);
template Node read_object(const Proto& value);

template <typename Value>
ObjectName name_if_valid(const Value& object) {
  ObjectName name;
  try {
    object.fields([&](std::string_view key, const auto& metadata) {
      if (key == "metadata") {
        metadata.fields([&](std::string_view inner, const auto& value) {
          if (inner == "name" && is_dns_subdomain(value.text())) {
            name.name = value.text();
          } else if (inner == "namespace" && is_dns_label(value.text())) {
            name.name_space = value.text();
          }
        });
      }
    });
  } catch (const FieldError&) {
    // What was found up to here is the answer.
  }
  return name;
}

template ObjectName name_if_valid(const Json& json);
template ObjectName name_if_valid(const Proto& json);

}  // namespace k8sclient
