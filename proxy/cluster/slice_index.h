#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "k8sclient/objects/types.h"
#include "proxy/cluster/translate.h"

namespace proxy {

struct ObjectNameHash {
  std::size_t operator()(const k8sclient::ObjectName& name) const;
};

/// The Service that owns the slice of this name.
k8sclient::ObjectName owner_of(const k8sclient::ObjectName& slice_name, const Slice& slice);

/// All slices, found by their own name and by the Service that owns them; whether that Service
/// exists does not matter. Not thread-safe.
class SliceIndex {
 public:
  /// Null if unknown; valid until the next change.
  const Slice* find(const k8sclient::ObjectName& name) const;

  /// Adds or replaces; returns what was there before. The owner may change.
  std::optional<Slice> put(const k8sclient::ObjectName& name, Slice slice);

  /// Returns what was there; nothing if it was unknown.
  std::optional<Slice> remove(const k8sclient::ObjectName& name);

  /// Sorted by slice name, both families; valid until the next change.
  std::vector<const Slice*> slices_of(const k8sclient::ObjectName& service) const;

  /// In no particular order.
  std::vector<k8sclient::ObjectName> names() const;

 private:
  using Slices = std::unordered_map<k8sclient::ObjectName, Slice, ObjectNameHash>;

  void link(const Slices::value_type& entry);
  void unlink(const Slices::value_type& entry);

  Slices slices_;
  // Into slices_, sorted by slice name; never empty.
  std::unordered_map<k8sclient::ObjectName, std::vector<const Slices::value_type*>, ObjectNameHash>
      by_owner_;
};

}  // namespace proxy
