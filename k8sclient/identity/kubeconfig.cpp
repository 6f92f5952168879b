#include "k8sclient/identity/kubeconfig.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include "k8sclient/base/base64.h"
#include "k8sclient/base/file.h"
#include "k8sclient/identity/kubeconfig_setting.h"
#include "k8sclient/objects/quote.h"
#include "k8sclient/objects/trim.h"
#include "k8sclient/objects/yaml.h"

namespace k8sclient {

namespace {

std::string pem_data(const Setting& setting) {
  auto pem = decode_base64(setting.text());
  if (!pem) {
    setting.fail("is not base64");
  }
  if (pem->find("-----BEGIN ") == std::string::npos) {
    setting.fail("is not PEM in base64");
  }
  return std::move(*pem);
}

void read_cluster(const Setting& cluster, ApiServer& server) {
  cluster.fields([&](std::string_view key, const Setting& value) {
    if (key == "server") {
      server.url = value.text();
    } else if (key == "certificate-authority-data") {
      server.ca.text = pem_data(value);
    } else if (key == "certificate-authority") {
      server.ca.file = value.readable_file();
    } else if (key == "insecure-skip-tls-verify") {
      server.insecure_skip_tls_verify = value.boolean();
    } else if (key == "tls-server-name") {
      server.tls_server_name = value.text();
    } else if (key == "proxy-url") {
      server.proxy_url = value.text();
    } else if (key != "disable-compression" && key != "extensions") {
      value.note_unknown();
    }
  });
  if (server.url.empty()) {
    cluster.fail("server is missing");
  }
  if (server.insecure_skip_tls_verify && !server.ca.empty()) {
    cluster.fail("insecure-skip-tls-verify and a certificate authority exclude each other");
  }
}

ExecPlugin read_exec(const Setting& exec) {
  ExecPlugin plugin;
  exec.fields([&](std::string_view key, const Setting& value) {
    if (key == "apiVersion") {
      plugin.api_version = value.text();
      if (plugin.api_version != "client.authentication.k8s.io/v1" &&
          plugin.api_version != "client.authentication.k8s.io/v1beta1") {
        value.fail("must be client.authentication.k8s.io/v1 or .../v1beta1");
      }
    } else if (key == "command") {
      const bool is_path = value.text().find('/') != std::string::npos;
      plugin.command = is_path ? value.file_path().string() : value.text();
    } else if (key == "args") {
      value.items([&](const Setting& item) { plugin.arguments.push_back(item.text()); });
    } else if (key == "env") {
      value.items([&](const Setting& item) {
        auto& variable = plugin.environment.emplace_back();
        item.fields([&](std::string_view part, const Setting& text) {
          if (part == "name" || part == "value") {
            (part == "name" ? variable.first : variable.second) = text.text();
          } else {
            text.note_unknown();
          }
        });
      });
    } else if (key == "installHint") {
      plugin.install_hint = value.text();
    } else if (key == "provideClusterInfo") {
      plugin.provide_cluster_info = value.boolean();
    } else if (key == "interactiveMode") {
      if (value.text() == "Always") {
        value.fail("Always is not possible: there is no terminal");
      }
    } else {
      value.note_unknown();
    }
  });
  if (plugin.command.empty() || plugin.api_version.empty()) {
    exec.fail(plugin.command.empty() ? "command is missing" : "apiVersion is missing");
  }
  return plugin;
}

// Ways to log in that the API server's own documents call deprecated, and impersonation.
bool is_unsupported(std::string_view key) {
  return key == "username" || key == "password" || key == "auth-provider" || key == "as" ||
         key == "as-uid" || key == "as-groups" || key == "as-user-extra";
}

void read_user(const Setting& user, ApiServer& server) {
  std::optional<Setting> token_file;
  user.fields([&](std::string_view key, const Setting& value) {
    if (key == "client-certificate-data") {
      server.client_certificate.text = pem_data(value);
    } else if (key == "client-certificate") {
      server.client_certificate.file = value.readable_file();
    } else if (key == "client-key-data") {
      server.client_key.text = pem_data(value);
    } else if (key == "client-key") {
      server.client_key.file = value.readable_file();
    } else if (key == "token") {
      server.token = trimmed(value.text());
    } else if (key == "tokenFile") {
      token_file.emplace(value);
    } else if (key == "exec") {
      server.exec = read_exec(value);
    } else if (is_unsupported(key)) {
      if (!value.is_empty()) {
        value.fail("is not supported; use a token, a client certificate or exec");
      }
    } else if (key != "extensions") {
      value.note_unknown();
    }
  });
  if (token_file) {  // a token stands in for a file that is not there yet
    server.token_file =
        server.token.empty() ? token_file->readable_file() : token_file->file_path();
  }
  if (!server.client_certificate.empty() && server.client_key.empty()) {
    user.fail("client-certificate without client-key");
  }
  if (server.client_certificate.empty() && !server.client_key.empty()) {
    user.note(user.line(), "client-key without client-certificate, ignored");
    server.client_key = {};
  }
}

// The `inner` map of the entry of that name in a list such as clusters or users.
std::optional<Setting> find_named(const Setting& list,
                                  std::string_view inner,
                                  std::string_view name) {
  std::optional<Setting> found;
  std::set<std::string> names;
  list.items([&](const Setting& item) {
    std::string item_name;
    std::optional<Setting> content;
    item.fields([&](std::string_view key, const Setting& value) {
      if (key == "name") {
        item_name = value.text();
      } else if (key == inner) {
        content.emplace(value);
      } else {
        value.note_unknown();
      }
    });
    if (!names.insert(item_name).second) {
      item.fail(fmt::format("name {} occurs twice", in_quotes(item_name)));
    }
    if (item_name == name && content) {
      found.emplace(*content);
    }
  });
  return found;
}

struct Sections {
  std::optional<Setting> clusters, users, contexts, current_context;
};

Sections read_sections(const Setting& root) {
  Sections sections;
  root.fields([&](std::string_view key, const Setting& value) {
    if (key == "clusters") {
      sections.clusters.emplace(value);
    } else if (key == "users") {
      sections.users.emplace(value);
    } else if (key == "contexts") {
      sections.contexts.emplace(value);
    } else if (key == "current-context") {
      sections.current_context.emplace(value);
    } else if (key == "kind" && value.text() != "Config") {
      value.fail("must be Config");
    } else if (key == "apiVersion" && value.text() != "v1") {
      value.fail("must be v1");
    } else if (key != "kind" && key != "apiVersion" && key != "preferences" &&
               key != "extensions") {
      value.note_unknown();
    }
  });
  return sections;
}

Setting require_named(const Setting& root,
                      const std::optional<Setting>& list,
                      std::string_view inner,
                      std::string_view name) {
  auto found = list ? find_named(*list, inner, name) : std::nullopt;
  if (!found) {
    root.fail(name.empty() ? fmt::format("no {} is named", inner)
                           : fmt::format("there is no {} of name {}", inner, in_quotes(name)));
  }
  return *found;
}

// The first document; further ones do not count.
YamlNode parse(const KubeconfigFile& file) {
  try {
    auto documents = parse_yaml(read_file(file.path.string()));
    if (documents.empty()) {
      throw KubeconfigError(fmt::format("{}: is empty", file.path.string()));
    }
    return std::move(documents.front());
  } catch (const std::system_error& error) {
    throw KubeconfigError(
        fmt::format("{}: cannot read: {}", file.path.string(), error.code().message()));
  } catch (const YamlError& error) {
    throw KubeconfigError(fmt::format("{}:{}: {}", file.path.string(), error.line(), error.what()));
  }
}

// The context of that name; the current one if it is empty.
Setting find_context(const Setting& root, const Sections& sections, std::string_view name) {
  if (!name.empty()) {
    return require_named(root, sections.contexts, "context", name);
  }
  if (!sections.current_context) {
    root.fail("current-context is missing");
  }
  const Setting& current = *sections.current_context;
  return require_named(current, sections.contexts, "context", current.text());
}

// The machine itself, to which no other listens.
bool is_loopback(std::string_view url) {
  const std::string_view host = url.substr(std::min(url.find("://") + 3, url.size()));
  return host.starts_with("127.") || host.starts_with("localhost") || host.starts_with("[::1]");
}

}  // namespace

std::vector<std::string> warnings(const ApiServer& server) {
  std::vector<std::string> result = server.notes;
  if (server.insecure_skip_tls_verify) {
    result.push_back(fmt::format(
        "insecure-skip-tls-verify: whoever answers at {} is believed and is sent the credentials",
        server.url));
  }
  const bool has_token = !server.token.empty() || !server.token_file.empty() || server.exec;
  if (has_token && server.url.starts_with("http://") && !is_loopback(server.url)) {
    result.push_back(
        fmt::format("the token is sent to {} without encryption: whoever is on the way can take it",
                    server.url));
  }
  return result;
}

std::string complete_url(const ApiServer& server) {
  constexpr std::string_view kSeparator = "://";
  std::string url(trimmed(server.url));
  const std::size_t end = url.find(kSeparator);
  if (end == std::string::npos) {
    const bool is_tls =
        !server.ca.empty() || !server.client_certificate.empty() || server.insecure_skip_tls_verify;
    const std::size_t slash = std::min(url.find('/'), url.size());
    if (slash == 0 || slash + 1 < url.size()) {
      throw KubeconfigError("must be a URL or a host:port pair");
    }
    return (is_tls ? "https://" : "http://") + url;
  }
  std::transform(
      url.begin(), url.begin() + static_cast<std::ptrdiff_t>(end), url.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      });
  if (!url.starts_with("https://") && !url.starts_with("http://")) {
    throw KubeconfigError("must start with https:// or http://");
  }
  return url;
}

ApiServer read_kubeconfig(const std::filesystem::path& path, std::string_view context) {
  KubeconfigFile file{.path = path};
  const YamlNode document = parse(file);
  const Setting root(document, {}, file);
  const Sections sections = read_sections(root);
  const Setting chosen = find_context(root, sections, context);
  std::string cluster;
  std::string user;
  chosen.fields([&](std::string_view key, const Setting& value) {
    if (key == "cluster") {
      cluster = value.text();
    } else if (key == "user") {
      user = value.text();
    } else if (key != "namespace" && key != "extensions") {
      value.note_unknown();
    }
  });

  ApiServer server;
  const Setting found = require_named(chosen, sections.clusters, "cluster", cluster);
  read_cluster(found, server);
  const auto known =
      sections.users ? find_named(*sections.users, "user", user) : std::optional<Setting>();
  if (known) {
    read_user(*known, server);
  } else if (!user.empty()) {
    chosen.note(
        chosen.line(),
        fmt::format("there is no user of name {}: requests have no credentials", in_quotes(user)));
  }
  try {
    server.url = complete_url(server);
  } catch (const KubeconfigError& error) {
    found.fail(fmt::format("server: {}", error.what()));
  }
  server.notes = std::move(file.notes);
  return server;
}

ApiServer read_service_account(const std::filesystem::path& folder) {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr || port == nullptr) {
    throw KubeconfigError(
        "no kubeconfig was given, and KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not "
        "set as in a pod");
  }
  ApiServer server;
  const bool is_ipv6 = std::string_view(host).find(':') != std::string_view::npos;
  server.url = fmt::format(fmt::runtime(is_ipv6 ? "https://[{}]:{}" : "https://{}:{}"), host, port);
  server.ca.file = folder / "ca.crt";
  server.token_file = folder / "token";
  for (const auto& needed : {server.ca.file, server.token_file}) {
    if (::access(needed.c_str(), R_OK) != 0) {
      const std::error_code error(errno, std::generic_category());
      throw KubeconfigError(fmt::format("{}: cannot read: {}", needed.string(), error.message()));
    }
  }
  return server;
}

}  // namespace k8sclient
