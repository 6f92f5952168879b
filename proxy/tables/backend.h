#pragma once

#include <optional>
#include <set>
#include <stdexcept>
#include <string>

#include "rules/diff.h"

namespace proxy {

/// Why changes were not applied. Nothing of the batch that failed is in the kernel; earlier batches
/// may be.
struct ApplyError {
  std::string message;
  std::optional<rules::ServicePortName> service;  // whose rule was refused, if that is known
  bool transient = false;  // worth the same try again (lock held, kernel out of memory)
};

/// The kernel's tables of one family. Two implementations: iptables-restore, and libiptc in
/// process. Each tells a ForeignChanges when it reads and commits. Not thread-safe; each family's
/// worker owns one. Methods throw std::system_error when
/// the environment fails (no binary, lock not to be had); a refused rule is a value.
class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /// Chains of ours and hooks that exist now.
  virtual rules::Installed read(rules::Detail detail) = 0;

  /// The contents of these chains alone, as far as they exist; nothing if that is no faster than
  /// reading them all.
  virtual std::optional<rules::Installed> read_some(const std::set<rules::ChainId>& chains) = 0;

  /// Applies the changes in one or more atomic steps (see rules::Changes). Nothing on success.
  virtual std::optional<ApplyError> apply(const rules::Changes& changes) = 0;
};

}  // namespace proxy
