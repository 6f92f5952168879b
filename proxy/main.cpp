#include "proxy/command_line.h"

int main(int argc, char** argv) {
  return proxy::run_program(argc, argv);
}
