#pragma once

#include <string>
#include <vector>

namespace proxy {

/// What Kubernetes' images call go-runner (kube-log-runner): runs a program and sends its output to
/// a file. kops and others start kube-proxy by it, so the image has it under that name.
struct LogRunner {
  std::string log_file;         // appended to; empty: standard output alone
  bool also_stdout = false;     // to the file and to standard output
  bool redirect_stderr = true;  // standard error goes where standard output goes
  std::vector<std::string> command;
};

/// "-log-file=FILE", "-also-stdout", "-redirect-stderr=false", each with one dash or two, and then
/// the command. Other flags are accepted and mean nothing. Throws ConfigErrors if a value is wrong
/// or there is no command.
LogRunner parse_log_runner(const std::vector<std::string>& arguments);

/// Becomes the command; or, where its output has to go to two places, runs it, hands on SIGTERM and
/// the like, and returns its exit status. Throws std::system_error.
int run_logged(const LogRunner& runner);

}  // namespace proxy
