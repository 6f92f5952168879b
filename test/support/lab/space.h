#pragma once

#include <string>

#include "proxy/host/descriptor.h"

namespace test::lab {

/// A network namespace without a name: it is gone when nobody holds it any more, however this
/// process ends.
class Space {
 public:
  /// A new one, with its loopback interface up. Throws std::system_error, without root as well.
  Space();

  /// Moves the calling thread there, for good. Throws std::system_error. Thread-safe.
  void enter() const;

  /// What `act` gives when the calling thread is there. Sockets that it opens stay there.
  /// Thread-safe.
  template <typename Act>
  auto within(Act act) const {
    const Visit visit(descriptor_);
    return act();
  }

  /// What a script of the shell prints that runs there. Throws std::runtime_error with it unless
  /// the script succeeds. Thread-safe.
  std::string shell(const std::string& script) const;

  /// Names it for programs, as long as this process lives.
  std::string path() const;

 private:
  class Visit {
   public:
    explicit Visit(const proxy::Descriptor& there);
    ~Visit();
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

   private:
    proxy::Descriptor home_;
  };

  proxy::Descriptor descriptor_;
};

}  // namespace test::lab
