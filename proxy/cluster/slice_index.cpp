#include "proxy/cluster/slice_index.h"

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

namespace proxy {

using k8sclient::ObjectName;

std::size_t ObjectNameHash::operator()(const ObjectName& name) const {
  constexpr std::size_t kOddMultiplier = 0x9e3779b97f4a7c15;
  const std::hash<std::string_view> hash;
  return hash(name.name_space) * kOddMultiplier + hash(name.name);
}

ObjectName owner_of(const ObjectName& slice_name, const Slice& slice) {
  return {slice_name.name_space, std::string(slice.service.view())};
}

const Slice* SliceIndex::find(const ObjectName& name) const {
  const auto found = slices_.find(name);
  return found == slices_.end() ? nullptr : &found->second;
}

std::optional<Slice> SliceIndex::put(const ObjectName& name, Slice slice) {
  const auto [found, is_new] = slices_.try_emplace(name);
  if (is_new) {
    found->second = std::move(slice);
    link(*found);
    return std::nullopt;
  }
  const bool same_owner = found->second.service == slice.service;
  if (!same_owner) {
    unlink(*found);
  }
  std::optional<Slice> before = std::exchange(found->second, std::move(slice));
  if (!same_owner) {
    link(*found);
  }
  return before;
}

std::optional<Slice> SliceIndex::remove(const ObjectName& name) {
  const auto found = slices_.find(name);
  if (found == slices_.end()) {
    return std::nullopt;
  }
  unlink(*found);
  std::optional<Slice> before = std::move(found->second);
  slices_.erase(found);
  return before;
}

std::vector<const Slice*> SliceIndex::slices_of(const ObjectName& service) const {
  std::vector<const Slice*> result;
  if (const auto found = by_owner_.find(service); found != by_owner_.end()) {
    result.reserve(found->second.size());
    for (const auto* entry : found->second) {
      result.push_back(&entry->second);
    }
  }
  return result;
}

std::vector<ObjectName> SliceIndex::names() const {
  std::vector<ObjectName> result;
  result.reserve(slices_.size());
  for (const auto& [name, slice] : slices_) {
    result.push_back(name);
  }
  return result;
}

void SliceIndex::link(const Slices::value_type& entry) {
  auto& siblings = by_owner_[owner_of(entry.first, entry.second)];
  const auto place = std::ranges::lower_bound(
      siblings, entry.first, {}, [](const Slices::value_type* e) -> const ObjectName& {
        return e->first;
      });
  siblings.insert(place, &entry);
}

void SliceIndex::unlink(const Slices::value_type& entry) {
  const auto found = by_owner_.find(owner_of(entry.first, entry.second));
  std::erase(found->second, &entry);
  if (found->second.empty()) {
    by_owner_.erase(found);
  }
}

}  // namespace proxy
