#include "proxy/tables/foreign_changes.h"

#include <exception>
#include <utility>

#include "proxy/log/logging.h"

namespace proxy {

template <typename Look>
void ForeignChanges::notice(Look look) {
  if (!watch_) {
    return;
  }
  try {
    noticed_.add(look(*watch_));
  } catch (const std::exception& error) {
    noticed_.add({.all = true, .chains = {}});
    log_warning("Cannot see whether others change the tables",
                {{"family", to_string(family_)}, {"error", error.what()}});
  }
}

void ForeignChanges::before_reading() {
  if (watch_) {
    take();
  }
}

void ForeignChanges::before_commit() {
  notice([](TableWatch& watch) { return watch.changes(); });
}

void ForeignChanges::after_commit() {
  notice([](TableWatch& watch) { return watch.changes_of_others(); });
}

ChangedChains ForeignChanges::take() {
  notice([](TableWatch& watch) { return watch.changes(); });
  return std::exchange(noticed_, {});
}

ChangedChains ForeignChanges::recheck() {
  if (watch_) {
    notice([](TableWatch& watch) { return watch.recheck(); });
  } else {
    noticed_.add({.all = true, .chains = {}});
  }
  return std::exchange(noticed_, {});
}

}  // namespace proxy
