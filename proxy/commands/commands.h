#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "proxy/config/config.h"
#include "proxy/config/flags.h"
#include "proxy/text/colour.h"
#include "rules/net.h"
#include "rules/rule.h"

namespace proxy {

// What the program can be asked to do. Each function prints to standard output, logs to standard
// error, and returns the exit status. They throw what main() turns into one line: ConfigErrors
// (status 2), anything else (1, or 2 where a command says so).

enum class Output { kText, kJson, kDot };

/// The daemon. Returns 0 after SIGTERM or SIGINT, with the rules in place. `flags` are what the
/// configuration was made of: its file is followed.
int run_daemon(const Config& config, const Flags& flags);

/// One sync of each family: 0 if everything was applied, 1 if something was not.
int run_once(const Config& config);

/// Sysctls and whatever else needs privileges beyond NET_ADMIN, then the end: kube-proxy's
/// --init-only.
int run_init(const Config& config);

/// Prints what would be written on an empty node, as iptables-restore reads it: without accounting
/// objects, which are not made by it. 0, or 2 if objects could not be read.
int render(const Config& config, rules::Family family);

struct DiffOptions {
  std::optional<rules::Family> family;  // nothing: both
  std::string against;                  // a file of iptables-save, of one family; empty: this node
  Output output = Output::kText;
  Colour colour = Colour::kNever;
};

/// Prints what would be changed. 0: nothing, 1: something, 2: objects could not be read, so that
/// the answer lacks their part; exceptions mean more than 1.
int show_diff(const Config& config, const DiffOptions& options);

struct ExplainOptions {
  std::string service;  // "namespace/name[:port]", or empty for a packet
  std::string from;     // source of the packet: "address" or "address:port"
  std::string to;       // "address:port/protocol"
  std::string in_interface;
  std::uint16_t state = rules::ConnectionState::kNew;
  std::string against;        // walk the rules of a file of iptables-save
  bool by_manifests = false;  // else walk the rules that manifests make, not this node's
  Output output = Output::kText;
  Colour colour = Colour::kNever;
};

/// Prints why a Service's traffic goes where it goes, or what becomes of a packet: under the rules
/// of `against`, else of the manifests if these are asked for, else of this node as it is.
int explain(const Config& config, const ExplainOptions& options);

/// Prints one screen about the daemon that runs here. 0: it is healthy, 1: it is not, or none runs.
int show_status(const Config& config, Output output);

/// Prints whether this node can run iptproxy and is served well. 0: it can, 1: something is in the
/// way.
int check(const Config& config, Output output, Colour colour);

/// Removes what kube-proxy or iptproxy wrote, of both families (spec §4.8).
int clean_up(const Config& config);

}  // namespace proxy
