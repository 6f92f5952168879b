#include "k8sclient/identity/kubeconfig.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include "k8sclient/identity/base64.h"
#include "k8sclient/objects/quote.h"
#include "k8sclient/objects/yaml.h"

namespace k8sclient {

namespace {

// One value of the file and its place in it. Accessors throw KubeconfigError.
class Setting {
 public:
  Setting(YAML::Node node, std::string path, const std::filesystem::path& file)
      : node_(node), path_(std::move(path)), file_(file) {}

  [[noreturn]] void fail(std::string_view reason) const {
    throw KubeconfigError(fmt::format("{}:{}: {}{}{}",
                                      file_.string(),
                                      node_.Mark().line + 1,
                                      path_,
                                      path_.empty() ? "" : ": ",
                                      reason));
  }

  std::string text() const {
    if (!node_.IsScalar()) {
      fail("must be text");
    }
    return node_.Scalar();
  }

  bool boolean() const {
    const bool is_quoted = node_.Tag() == "!";
    if (node_.IsScalar() && !is_quoted && (node_.Scalar() == "true" || node_.Scalar() == "false")) {
      return node_.Scalar() == "true";
    }
    fail("must be true or false");
  }

  // Calls visit(key, setting) for each field of a map; null counts as absent.
  template <typename Visitor>
  void fields(Visitor visit) const {
    if (!node_.IsMap()) {
      fail("must be a map");
    }
    std::set<std::string> seen;
    for (const auto& field : node_) {
      const std::string key = Setting(field.first, path_, file_).text();
      const Setting value(field.second, path_.empty() ? key : path_ + "." + key, file_);
      if (!seen.insert(key).second) {
        Setting(field.first, value.path_, file_).fail("occurs twice");
      }
      if (!field.second.IsNull()) {
        visit(key, value);
      }
    }
  }

  // Calls visit(setting) for each element of a list.
  template <typename Visitor>
  void items(Visitor visit) const {
    if (!node_.IsSequence()) {
      fail("must be a list");
    }
    for (std::size_t i = 0; i < node_.size(); ++i) {
      visit(Setting(node_[i], fmt::format("{}[{}]", path_, i), file_));
    }
  }

  [[noreturn]] void fail_unknown(std::string_view key) const {
    fail("unknown key " + in_quotes(key));
  }

  // A path, resolved against the folder of the kubeconfig.
  std::filesystem::path file_path() const {
    return std::filesystem::absolute(file_).parent_path() / text();
  }

  std::filesystem::path readable_file() const {
    auto path = file_path();
    if (::access(path.c_str(), R_OK) != 0) {
      const std::error_code error(errno, std::generic_category());
      fail(fmt::format("cannot read {}: {}", path.string(), error.message()));
    }
    return path;
  }

 private:
  YAML::Node node_;
  std::string path_;
  const std::filesystem::path& file_;
};

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
      if (!server.url.starts_with("https://") && !server.url.starts_with("http://")) {
        value.fail("must start with https:// or http://");
      }
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
      cluster.fail_unknown(key);
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
          (part == "name" ? variable.first : variable.second) = text.text();
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
      exec.fail_unknown(key);
    }
  });
  if (plugin.command.empty() || plugin.api_version.empty()) {
    exec.fail(plugin.command.empty() ? "command is missing" : "apiVersion is missing");
  }
  return plugin;
}

void read_user(const Setting& user, ApiServer& server) {
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
      server.token = value.text();
    } else if (key == "tokenFile") {
      server.token_file = value.readable_file();
    } else if (key == "exec") {
      server.exec = read_exec(value);
    } else if (key == "username" || key == "password" || key == "auth-provider" ||
               key.starts_with("as")) {
      value.fail("is not supported; use a token, a client certificate or exec");
    } else if (key != "extensions") {
      user.fail_unknown(key);
    }
  });
  if (server.client_certificate.empty() != server.client_key.empty()) {
    user.fail(server.client_key.empty() ? "client-certificate without client-key"
                                        : "client-key without client-certificate");
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
        item.fail_unknown(key);
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
      root.fail_unknown(key);
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

std::string read_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream) {
    const std::error_code error(errno, std::generic_category());
    throw KubeconfigError(fmt::format("{}: cannot read: {}", file.string(), error.message()));
  }
  return text;
}

}  // namespace

std::vector<std::string> warnings(const ApiServer& server) {
  std::vector<std::string> result;
  if (server.insecure_skip_tls_verify) {
    result.push_back(fmt::format(
        "insecure-skip-tls-verify: whoever answers at {} is believed and is sent the credentials",
        server.url));
  }
  return result;
}

ApiServer read_kubeconfig(const std::filesystem::path& file, std::string_view context) {
  const std::string text = read_file(file);
  try {
    parse_yaml(text);  // has limits, which the tree below has not
  } catch (const YamlError& error) {
    throw KubeconfigError(fmt::format("{}:{}: {}", file.string(), error.line(), error.what()));
  }
  const auto documents = YAML::LoadAll(text);
  if (documents.size() != 1) {
    throw KubeconfigError(fmt::format("{}: must be one YAML document", file.string()));
  }
  const Setting root(documents.front(), {}, file);
  const Sections sections = read_sections(root);

  std::string cluster;
  std::string user;
  if (context.empty() && !sections.current_context) {
    root.fail("current-context is missing");
  }
  const Setting chosen = context.empty()
                             ? require_named(*sections.current_context,
                                             sections.contexts,
                                             "context",
                                             sections.current_context->text())
                             : require_named(root, sections.contexts, "context", context);
  chosen.fields([&](std::string_view key, const Setting& value) {
    if (key == "cluster") {
      cluster = value.text();
    } else if (key == "user") {
      user = value.text();
    } else if (key != "namespace" && key != "extensions") {
      chosen.fail_unknown(key);
    }
  });

  ApiServer server;
  read_cluster(require_named(chosen, sections.clusters, "cluster", cluster), server);
  if (!user.empty()) {
    read_user(require_named(chosen, sections.users, "user", user), server);
  }
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
