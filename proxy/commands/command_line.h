#pragma once

namespace proxy {

/// Understands the command line, does what it says, and returns the exit status. A command line
/// that has only kube-proxy's flags means `run`, so that the program can stand in for kube-proxy.
/// Never throws.
int run_program(int argc, const char* const* argv);

}  // namespace proxy
