#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>

#include <CLI/CLI.hpp>

#include "test/support/generators.h"
#include "test/support/manifests.h"

namespace {

// Prints a generated cluster as manifests, to run the program on: plain ClusterIP Services, or with
// --seed random ones.
int generate(int argc, char** argv) {
  CLI::App app("Prints a generated cluster as a v1 List in JSON.");
  test::ClusterSize size;
  std::optional<std::uint64_t> seed;
  app.add_option("--services", size.services, "How many Services")->capture_default_str();
  app.add_option("--endpoints", size.endpoints, "Endpoints of each Service (with --seed the mean)")
      ->capture_default_str();
  app.add_option("--seed", seed, "Make random objects of every kind instead of uniform ones");
  CLI11_PARSE(app, argc, argv);

  const auto cluster = seed ? test::random_cluster(*seed, size) : test::uniform_cluster(size);
  std::fputs(test::to_manifests(cluster).c_str(), stdout);
  return std::fflush(stdout) == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return generate(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "generate_cluster: %s\n", error.what());
    return 1;
  }
}
