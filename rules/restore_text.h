#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rules/diff.h"

namespace rules {

/// Input of one iptables-restore --noflush: applied whole or not at all, table by table.
struct RestoreBatch {
  /// Lines that make the rules of one service port; lines count from 1.
  struct Lines {
    std::size_t first = 0;
    std::size_t last = 0;
    std::shared_ptr<const CompiledService> service;
  };

  std::string text;
  std::vector<Lines> services;  // ascending

  /// The service port whose rule stands at this line, or null.
  std::shared_ptr<const CompiledService> service_at(std::size_t line) const;
};

/// How much goes into one batch. Changes within all three limits make a single batch.
struct BatchLimits {
  std::size_t services = 0;  // whose chains are written
  std::size_t entries = 0;   // of services in shared chains
  std::size_t removals = 0;  // of chains
};

/// Hands the changes to `sink` as one or more batches, in the order of write_steps(); stops early
/// when it returns false. Each batch leaves tables that forward correctly.
void make_batches(const Changes& changes,
                  Family family,
                  const BatchLimits& limits,
                  const std::function<bool(const RestoreBatch&)>& sink);

/// All of it in one batch: atomic for each table.
RestoreBatch make_batch(const Changes& changes, Family family);

}  // namespace rules
