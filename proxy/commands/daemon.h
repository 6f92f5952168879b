#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "proxy/config/config.h"
#include "proxy/config/flags.h"

namespace proxy {

/// Whether flags leave open which cluster a question is about and how its rules are made: then it
/// is about the daemon that runs here.
bool asks_about_daemon(const Flags& flags);

/// What a proxy's /configz says, as the configuration of a command: what the daemon was told, with
/// the metrics address and the logging of `own`. Nothing if the text is no such answer. Pure.
std::optional<Config> configuration_in(std::string_view configz, const Config& own);

/// The configuration of the daemon that answers at metricsBindAddress, else `own`; the log says
/// which.
Config daemon_configuration(const Config& own);

/// Read a page of the daemon's metrics server, of plain text or of JSON. Throw k8sclient::ApiError
/// and k8sclient::TransportError.
std::string daemon_text(const Config& config, const std::string& path);
std::string daemon_json(const Config& config, const std::string& path);

}  // namespace proxy
