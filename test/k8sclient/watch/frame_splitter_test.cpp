#include "k8sclient/watch/frame_splitter.h"

#include <vector>

#include <catch2/catch.hpp>

#include "k8sclient/errors.h"

using k8sclient::FrameSplitter;

TEST_CASE("frame splitter: frames come out whole, however their bytes arrive",
          "[k8sclient][frames]") {
  const std::string bytes("\0\0\0\3one\0\0\0\0\0\0\0\5three", 4 + 3 + 4 + 4 + 5);
  const auto piece = GENERATE(1UL, 2UL, 3UL, 7UL, 100UL);
  FrameSplitter splitter(5);
  std::vector<std::string> frames;

  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    splitter.feed(bytes.substr(at, piece),
                  [&](std::string_view frame) { frames.emplace_back(frame); });
  }

  CHECK(frames == std::vector<std::string>{"one", "", "three"});
  CHECK(splitter.is_complete());
}

TEST_CASE("frame splitter: what is missing of a frame shows, and none may be too long",
          "[k8sclient][frames]") {
  FrameSplitter splitter(5);
  const auto nothing = [](std::string_view) { FAIL("no frame is complete"); };

  splitter.feed(std::string("\0\0\0\5thre", 8), nothing);
  CHECK_FALSE(splitter.is_complete());
  CHECK_THROWS_AS(FrameSplitter(5).feed(std::string("\0\0\0\6", 4), nothing), k8sclient::TooLarge);
  CHECK_THROWS_AS(FrameSplitter(5).feed("{\"type\"", nothing), k8sclient::TooLarge);
}
