#include "test/support/lab/clients.h"

#include <algorithm>
#include <chrono>
#include <exception>

#include <fmt/format.h>

namespace test::lab {

namespace {

constexpr std::chrono::milliseconds kBetweenQuestions{2};

}  // namespace

Clients::Clients(const std::vector<Asking>& askings) : asked_by_(askings.size()) {
  for (const Asking& asking : askings) {
    threads_.emplace_back([this, asking, client = threads_.size()](const std::stop_token& stop) {
      run(client, asking, stop);
    });
  }
}

void Clients::run(std::size_t client, const Asking& asking, const std::stop_token& stop) {
  for (std::uint64_t count = 0; !stop.stop_requested(); ++count) {
    std::string failure;
    std::chrono::milliseconds wait{0};
    try {
      const Answer answer = asking(count);
      wait = answer.after;
      if (!answer.is_answer() || answer.repeats > 0) {
        failure = fmt::format("{} after {} ms, {} SYN again",
                              to_string(answer),
                              answer.after.count(),
                              answer.repeats);
      }
    } catch (const std::exception& error) {
      failure = error.what();
    }
    if (!failure.empty()) {
      const std::lock_guard lock(mutex_);
      if (failed_++ == 0) {
        first_failure_ = failure;
      }
      longest_wait_ = std::max(longest_wait_, wait);
    }
    ++asked_;
    ++asked_by_[client];
    std::this_thread::sleep_for(kBetweenQuestions);
  }
}

void Clients::settle() {
  const std::vector<std::uint64_t> before(asked_by_.begin(), asked_by_.end());
  for (std::size_t client = 0; client < before.size(); ++client) {
    while (asked_by_[client] == before[client]) {
      std::this_thread::sleep_for(kBetweenQuestions);
    }
  }
}

Clients::Tally Clients::stop() {
  for (std::jthread& thread : threads_) {
    thread.request_stop();
  }
  threads_.clear();
  const std::lock_guard lock(mutex_);
  return {.asked = asked_,
          .failed = failed_,
          .first_failure = first_failure_,
          .longest_wait = longest_wait_};
}

}  // namespace test::lab
