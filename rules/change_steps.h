#pragma once

#include <cstdint>
#include <memory>

#include "rules/diff.h"

namespace rules {

/// Takes Changes as single steps, in an order in which every jump leads to a chain that is there.
/// Two implementations: text for iptables-restore, and messages for nftables.
class StepWriter {
 public:
  using Owner = std::shared_ptr<const CompiledService>;  // whose rule it is; null: nobody's

  /// Where a writer may commit what it has: it forwards correctly by itself.
  enum class Border : std::uint8_t {
    kService,  // behind a service write
    kEntry,    // between insertions into a shared chain
    kRemoval,  // behind the flushing of a chain that goes, or its removal
    kPart      // where another kind of step begins
  };

  StepWriter() = default;
  StepWriter(const StepWriter&) = delete;
  StepWriter& operator=(const StepWriter&) = delete;
  virtual ~StepWriter() = default;

  /// The chain is created if it is missing, else flushed.
  virtual void begin_chain(const ChainId& chain) = 0;
  /// The chain is created if it is missing. Its rules stay.
  virtual void ensure_chain(const ChainId& chain) = 0;
  /// The chain exists.
  virtual void flush_chain(const ChainId& chain) = 0;
  /// The chain is empty, and nothing of ours leads to it.
  virtual void remove_chain(const ChainId& chain) = 0;

  virtual void append(const ChainId& chain, const Rule& rule, const Owner& owner) = 0;
  /// At the head.
  virtual void insert(const ChainId& chain, const Rule& rule, const Owner& owner) = 0;
  /// The first equal rule.
  virtual void remove(const ChainId& chain, const Rule& rule) = 0;

  /// False: no further steps.
  virtual bool border(Border border) = 0;
};

/// Hands the steps to the writer: fixed chains, which jump to no service; then the chains of
/// services; then the entries that lead to them; then hooks; then removals, for which all chains
/// are flushed before the first is removed, so that it does not matter who calls whom. A shared
/// chain that packets already pass has no border within, unless there are only insertions. Stops
/// when the writer says so; returns false then.
bool write_steps(const Changes& changes, StepWriter& writer);

}  // namespace rules
