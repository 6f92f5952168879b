#include "k8sclient/objects/types.h"

#include <catch2/catch.hpp>

using k8sclient::SharedString;

TEST_CASE("shared string: equal strings share one allocation", "[k8sclient][types]") {
  const auto one = SharedString::intern("k8s-worker1");
  const auto two = SharedString::intern(std::string("k8s-") + "worker1");

  CHECK(one == two);
  CHECK(one.view().data() == two.view().data());
  CHECK(SharedString::intern("").empty());
  CHECK(SharedString() == SharedString::intern(""));
}

TEST_CASE("shared string: the pool survives a sweep of thousands of strings that nobody holds",
          "[k8sclient][types]") {
  const auto kept = SharedString::intern("kept");
  for (int i = 0; i < 5000; ++i) {
    SharedString::intern("node-" + std::to_string(i));
  }

  CHECK(SharedString::intern("kept").view().data() == kept.view().data());
}
