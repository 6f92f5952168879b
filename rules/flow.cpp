#include "rules/flow.h"

#include <algorithm>
#include <map>
#include <utility>

namespace rules {
namespace {

struct LessAlike {
  bool operator()(const Flow* left, const Flow* right) const {
    return left->likeness() < right->likeness();
  }
};

}  // namespace

void merge(Flows& flows) {
  if (flows.size() < 2) {
    return;
  }

  struct Place {
    std::size_t index;
    double heaviest;
  };

  std::map<const Flow*, Place, LessAlike> places;
  Flows merged;
  for (const Flow& flow : flows) {
    const auto [found, is_new] = places.try_emplace(&flow, Place{merged.size(), flow.share});
    if (is_new) {
      merged.push_back(flow);
      continue;
    }
    Flow& first = merged[found->second.index];
    first.share += flow.share;
    first.sure += flow.sure;
    if (flow.share > found->second.heaviest) {
      found->second.heaviest = flow.share;
      first.last_step = flow.last_step;
    }
  }
  flows = std::move(merged);
}

Flows either(Flows holds, Flows otherwise) {
  merge(holds);
  merge(otherwise);
  double total = 0;
  for (const Flow& flow : otherwise) {
    total += flow.share;
  }
  std::map<const Flow*, Flow*, LessAlike> held;
  for (Flow& flow : holds) {
    held.emplace(&flow, &flow);
  }
  for (Flow& flow : otherwise) {
    const auto alike = held.find(&flow);
    if (alike == held.end()) {
      flow.sure = 0;
      continue;
    }
    flow.share = std::min(total, flow.share + alike->second->share);
    flow.sure = std::max(0.0, flow.sure + alike->second->sure - total);
    held.erase(alike);
  }
  for (Flow& flow : holds) {
    if (held.contains(&flow)) {
      flow.sure = 0;
      otherwise.push_back(flow);
    }
  }
  return otherwise;
}

bool are_same(const Flows& left, const Flows& right) {
  const auto in_full = [](const Flow& flow) {
    return std::tuple_cat(flow.likeness(), std::tie(flow.share, flow.sure));
  };
  return std::ranges::equal(left, right, {}, in_full, in_full);
}

void move_to_end(Flows& flows, Flows& more) {
  if (flows.empty()) {
    flows.swap(more);
    return;
  }
  flows.insert(flows.end(), more.begin(), more.end());
  more.clear();
}

void StepLog::add(Flow& flow, Entry entry) {
  entry.previous = flow.last_step;
  flow.last_step = entries_.size();
  entries_.push_back(entry);
}

std::vector<std::size_t> StepLog::path(const Flow& flow) const {
  std::vector<std::size_t> path;
  for (std::size_t step = flow.last_step; step != Flow::kNoStep; step = entries_[step].previous) {
    path.push_back(step);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

}  // namespace rules
