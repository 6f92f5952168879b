#pragma once

#include "rules/service.h"
#include "test/support/random.h"

namespace test {

/// Settings and node facts at random, as they may come together, for the clusters of generators.h.
rules::Context random_context(Random& random, rules::Family family);

}  // namespace test
