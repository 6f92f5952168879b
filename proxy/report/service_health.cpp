#include "proxy/report/service_health.h"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "k8sclient/base/mutex.h"
#include "proxy/http/routes.h"
#include "proxy/report/health.h"
#include "proxy/text/json.h"

namespace proxy {

namespace {

std::size_t count_local_ready(rules::Shard::const_iterator begin,
                              rules::Shard::const_iterator end) {
  std::set<rules::IpAddress> addresses;
  for (auto entry = begin; entry != end; ++entry) {
    for (const rules::Endpoint& endpoint : entry->second->endpoints) {
      if (endpoint.local && endpoint.ready) {
        addresses.insert(endpoint.address.address);
      }
    }
  }
  return addresses.size();
}

rules::IpAddress wildcard(rules::Family family) {
  constexpr std::array<std::uint8_t, 16> kZeros{};
  return rules::IpAddress::from_bytes(
      std::span(kZeros).first(family == rules::Family::kIpv4 ? 4 : 16));
}

}  // namespace

ServiceHealthChecks service_health_checks(const rules::Snapshot& snapshot) {
  std::vector<ServiceHealthCheck> claims;
  for (const auto& shard : snapshot.shards) {
    if (!shard) {
      continue;
    }
    for (auto begin = shard->begin(); begin != shard->end();) {
      const rules::ServicePortName& name = begin->first;
      const auto& port = begin->second;
      const auto end = std::find_if(begin, shard->end(), [&](const auto& entry) {
        return entry.first.name_space != name.name_space || entry.first.service != name.service;
      });
      if (port->health_check_node_port != 0) {
        claims.push_back({name.name_space,
                          name.service,
                          port->health_check_node_port,
                          count_local_ready(begin, end)});
      }
      begin = end;
    }
  }
  std::ranges::sort(claims, {}, [](const ServiceHealthCheck& check) {
    return std::tie(check.name_space, check.service);
  });
  ServiceHealthChecks checks;
  for (ServiceHealthCheck& claim : claims) {
    if (!checks.served.try_emplace(claim.port, claim).second) {
      checks.unserved.push_back(std::move(claim));
    }
  }
  return checks;
}

Response service_health_response(const ServiceHealthCheck& check, bool proxy_healthy) {
  return {.status = check.local_endpoints > 0 && proxy_healthy ? 200 : 503,
          .headers = {{"Content-Type", "application/json"},
                      {"X-Load-Balancing-Endpoint-Weight", fmt::to_string(check.local_endpoints)}},
          .body = fmt::format("{{\n"
                              "\t\"service\": {{\n"
                              "\t\t\"namespace\": {},\n"
                              "\t\t\"name\": {}\n"
                              "\t}},\n"
                              "\t\"localEndpoints\": {},\n"
                              "\t\"serviceProxyHealthy\": {}\n"
                              "}}",
                              to_json(check.name_space),
                              to_json(check.service),
                              check.local_endpoints,
                              proxy_healthy)};
}

struct ServiceHealth::Answers {
  explicit Answers(std::function<bool()> healthy) : proxy_healthy(std::move(healthy)) {}

  const std::function<bool()> proxy_healthy;
  k8sclient::Mutex mutex;  // of checks; never held while the server or proxy_healthy is called
  PerFamily<std::map<std::uint16_t, ServiceHealthCheck>> checks GUARDED_BY(mutex);

  Response answer(rules::Family family, std::uint16_t port) {
    std::optional<ServiceHealthCheck> check;
    {
      const k8sclient::MutexLock lock(mutex);
      const auto found = checks[family].find(port);
      if (found != checks[family].end()) {
        check = found->second;
      }
    }
    return check ? service_health_response(*check, proxy_healthy())
                 : text_response(503, "no Service has this health check node port any more\n");
  }
};

ServiceHealth::ServiceHealth(HttpServer& server,
                             std::function<bool()> proxy_healthy,
                             OnFailure on_failure)
    : server_(server),
      on_failure_(std::move(on_failure)),
      answers_(std::make_shared<Answers>(std::move(proxy_healthy))) {}

ServiceHealth::~ServiceHealth() {
  for (const rules::Family family : kFamilies) {
    for (const ListenAddress& address : listening_[family]) {
      server_.close(address);
    }
  }
}

void ServiceHealth::update(const rules::Snapshot& snapshot,
                           const std::optional<std::vector<rules::IpAddress>>& addresses) {
  const k8sclient::MutexLock updating(update_mutex_);
  const rules::Family family = snapshot.family;
  const auto checks = service_health_checks(snapshot);
  const auto listened = addresses.value_or(std::vector{wildcard(family)});
  std::set<ListenAddress> wanted;
  for (const auto& [port, check] : checks.served) {
    for (const rules::IpAddress& address : listened) {
      wanted.insert({.socket = {address, port}});
    }
  }
  {
    const k8sclient::MutexLock lock(answers_->mutex);
    answers_->checks[family] = checks.served;
  }
  for (const ListenAddress& address : listening_[family]) {
    if (!wanted.contains(address)) {
      server_.close(address);
    }
  }
  for (const ListenAddress& address : wanted) {
    const std::uint16_t port = address.socket.port;
    if (listening_[family].contains(address)) {
      continue;
    }
    const auto error =
        server_.listen(address,
                       limited_to_methods({.handler =
                                               [answers = answers_, family, port](const Request&) {
                                                 return answers->answer(family, port);
                                               },
                                           .methods = kProbeMethods}));
    if (error) {
      on_failure_(checks.served.at(port), *error);
    }
  }
  listening_[family] = std::move(wanted);
  tell_unserved(family, checks);
}

void ServiceHealth::tell_unserved(rules::Family family, const ServiceHealthChecks& checks) {
  std::set<std::string> unserved;
  for (const ServiceHealthCheck& check : checks.unserved) {
    std::string key = fmt::format("{}/{}:{}", check.name_space, check.service, check.port);
    if (!unserved_[family].contains(key)) {
      const ServiceHealthCheck& holder = checks.served.at(check.port);
      on_failure_(check, fmt::format("held by Service {}/{}", holder.name_space, holder.service));
    }
    unserved.insert(std::move(key));
  }
  unserved_[family] = std::move(unserved);
}

}  // namespace proxy
