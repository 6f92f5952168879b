#include <cstdio>
#include <cstdlib>

#include "proxy/command_line.h"

int main(int argc, char** argv) {
  const int status = proxy::run_program(argc, argv);
  // Not by return: cpprestsdk's threads may still be about to close the connection of a watch that
  // was given up, and exit() takes OpenSSL from under them before it waits for them.
  std::fflush(nullptr);
  std::_Exit(status);
}
