#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include <fcntl.h>
#include <unistd.h>

#include "k8sclient/identity/authorities.h"
#include "proxy/commands/command_line.h"
#include "proxy/host/confinement.h"

namespace {

/// A standard stream that was closed by whoever started us would otherwise be the number of the
/// next socket, and log lines would go there.
void open_standard_streams() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) < 0) {
      // Gets that number, as the lowest that is free. Without /dev/null there is nothing to do.
      (void)open("/dev/null", O_RDWR);
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  open_standard_streams();
  k8sclient::read_system_authorities_only_once();
  proxy::confine_process();
  const int status = proxy::run_program(argc, argv);
  // Not by return: cpprestsdk's threads may still be about to close the connection of a watch that
  // was given up, and exit() takes OpenSSL from under them before it waits for them.
  std::fflush(nullptr);
  std::_Exit(status);
}
