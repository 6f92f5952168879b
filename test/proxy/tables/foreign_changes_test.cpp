#include "proxy/tables/foreign_changes.h"

#include <cerrno>
#include <system_error>

#include <catch2/catch.hpp>

#include "test/support/quiet_log.h"

using proxy::ChangedChains;
using proxy::ForeignChanges;
using proxy::OwnCommit;
using rules::ChainId;
using rules::ChainName;
using rules::Family;
using rules::Table;

namespace {

const ChainId kServices{Table::kNat, ChainName("KUBE-SERVICES")};
const ChainId kForward{Table::kFilter, ChainName("KUBE-FORWARD")};

ChangedChains only(const ChainId& chain) {
  return {.all = false, .chains = {chain}};
}

/// What a kernel would announce.
struct Announced {
  ChangedChains by_us;
  ChangedChains by_others;
  ChangedChains escaped = {};
  bool is_deaf = false;
};

class FakeWatch : public proxy::TableWatch {
 public:
  explicit FakeWatch(Announced& announced) : announced_(announced) {}

  ChangedChains changes() override {
    ChangedChains all = std::exchange(announced_.by_us, {});
    all.add(changes_of_others());
    return all;
  }

  ChangedChains changes_of_others() override {
    announced_.by_us = {};
    if (announced_.is_deaf) {
      throw std::system_error(EPERM, std::generic_category(), "no answer");
    }
    return std::exchange(announced_.by_others, {});
  }

  ChangedChains recheck() override {
    ChangedChains all = changes();
    all.add(std::exchange(announced_.escaped, {}));
    return all;
  }

  int descriptor() const override { return 42; }

  bool announces_all() const override { return false; }

 private:
  Announced& announced_;
};

struct Watched {
  Announced announced;
  ForeignChanges changes{Family::kIpv4, std::make_unique<FakeWatch>(announced)};
};

}  // namespace

TEST_CASE("foreign changes: what others do is said once", "[proxy][foreign_changes]") {
  Watched watched;
  watched.announced.by_others = only(kServices);

  CHECK(watched.changes.take().chains == std::set{kServices});
  CHECK(watched.changes.take().empty());
}

TEST_CASE("foreign changes: what others did before a reading is seen in it",
          "[proxy][foreign_changes]") {
  Watched watched;
  watched.announced.by_others = only(kServices);

  watched.changes.before_reading();

  CHECK(watched.changes.take().empty());
}

TEST_CASE("foreign changes: a commit of ours is none, what others do before it or meanwhile is",
          "[proxy][foreign_changes]") {
  Watched watched;
  watched.announced.by_others = only(kServices);
  {
    const OwnCommit commit(watched.changes);
    watched.announced.by_us = only({Table::kNat, ChainName("KUBE-NODEPORTS")});
    watched.announced.by_others = only(kForward);
  }

  CHECK(watched.changes.take().chains == std::set{kServices, kForward});
}

TEST_CASE("foreign changes: a recheck says what escaped, and all where nobody can tell",
          "[proxy][foreign_changes]") {
  Watched watched;
  watched.announced.by_others = only(kServices);
  watched.announced.escaped = only(kForward);
  CHECK(watched.changes.recheck().chains == std::set{kServices, kForward});
  CHECK(watched.changes.recheck().empty());

  CHECK(ForeignChanges().recheck().all);
}

TEST_CASE("foreign changes: what is given back is said again", "[proxy][foreign_changes]") {
  Watched watched;
  watched.announced.by_others = only(kServices);
  watched.changes.give_back(watched.changes.take());
  watched.announced.by_others = only(kForward);

  CHECK(watched.changes.take().chains == std::set{kServices, kForward});
}

TEST_CASE("foreign changes: who cannot look has to read everything", "[proxy][foreign_changes]") {
  const test::QuietLog quiet;
  Watched watched;
  watched.announced.is_deaf = true;
  CHECK(watched.changes.take().all);

  { const OwnCommit commit(watched.changes); }
  watched.announced.is_deaf = false;
  CHECK(watched.changes.take().all);
  CHECK(watched.changes.take().empty());
}

TEST_CASE("foreign changes: without a watch there are none, and a reading that failed is repeated",
          "[proxy][foreign_changes]") {
  ForeignChanges unwatched;
  CHECK(unwatched.take().empty());
  CHECK(unwatched.descriptor() == -1);
  CHECK(unwatched.announces_all());

  unwatched.give_back({.all = true, .chains = {}});
  CHECK(unwatched.take().all);

  unwatched.give_back({.all = true, .chains = {}});
  CHECK(unwatched.recheck().all);
  CHECK(unwatched.take().empty());
}
