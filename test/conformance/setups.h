#pragma once

#include <system_error>

#include <catch2/catch.hpp>

#include "test/support/lab/lab.h"
#include "test/support/skip.h"

namespace test::lab {

/// Skips the test where no lab can be built.
inline void need_namespaces() {
  try {
    const Space probe;
  } catch (const std::system_error& failure) {
    skip(failure.what());
  }
}

/// Runs the test case once for each way in which proxies program nodes.
inline Setup in_each_setup() {
  need_namespaces();
  return GENERATE(Setup{.variant = "legacy"},
                  Setup{.variant = "nft"},
                  Setup{.variant = "legacy", .layout = "compact"},
                  Setup{.variant = "nft", .layout = "compact"});
}

/// And through the restore programs, too.
inline Setup in_every_setup() {
  need_namespaces();
  return GENERATE(Setup{.variant = "legacy"},
                  Setup{.variant = "nft"},
                  Setup{.variant = "legacy", .layout = "compact"},
                  Setup{.variant = "nft", .layout = "compact"},
                  Setup{.variant = "legacy", .backend = "restore"},
                  Setup{.variant = "nft", .backend = "restore"});
}

/// Once for legacy and once for nft.
inline Setup in_each_variant() {
  need_namespaces();
  return GENERATE(Setup{.variant = "legacy"}, Setup{.variant = "nft"});
}

}  // namespace test::lab
