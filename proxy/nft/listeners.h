#pragma once

#include <map>

#include "k8sclient/base/mutex.h"
#include "proxy/host/waker.h"

namespace proxy {

/// The sockets of this process to which the kernel announces transactions on nftables. As long as
/// one listens, the kernel describes each rule of a transaction to it, which is a fifth of the time
/// that a large one takes. Thread-safe.
class NftListeners {
 public:
  /// `waker` tells the listener that something may have escaped it. Both outlive its removal.
  void add(int socket, const Waker& waker);
  void remove(int socket);

  /// Nobody listens, unless the kernel refuses to be silent. Not for two threads at a time.
  class Pause {
   public:
    explicit Pause(NftListeners& listeners);
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

    /// Tells the listeners that something may have escaped them, unless nothing has.
    ~Pause();

    /// They listen again.
    void end();

    /// Nobody else has committed in between.
    void nothing_escaped() { has_escaped_ = false; }

   private:
    NftListeners& listeners_;
    bool is_over_ = false;
    bool has_escaped_ = true;
  };

 private:
  void set_membership(int option);
  void tell_all();

  k8sclient::Mutex mutex_;
  std::map<int, const Waker*> listeners_ GUARDED_BY(mutex_);  // by socket
};

/// Makes the socket listen. False, with errno, without the right to.
bool listen_to_nftables(int socket);

}  // namespace proxy
