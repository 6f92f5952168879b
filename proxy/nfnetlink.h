#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

struct mnl_socket;
struct nlmsghdr;

namespace proxy {

/// A question to one subsystem of the kernel's netfilter.
struct NfnetlinkRequest {
  int subsystem = 0;                                 // NFNL_SUBSYS_*
  int command = 0;                                   // of the subsystem
  int flags = 0;                                     // NLM_F_* beside NLM_F_REQUEST and NLM_F_ACK
  int family = 0;                                    // AF_INET, AF_INET6, or 0
  std::vector<std::pair<int, std::string>> strings;  // attributes: type and text
  bool is_transaction = false;  // what changes nftables has to come as one, even if it is alone
};

/// How a request that was answered went.
struct NfnetlinkOutcome {
  int error = 0;  // the kernel's refusal, an errno; 0 if it did what it was asked
  bool interrupted =
      false;  // somebody changed what was being dumped: parts may be missing or double
};

/// A socket for such requests, one after the other. Methods throw std::system_error if there is no
/// such socket, or no answer for 5 s; the socket is good for nothing after any exception.
class NfnetlinkSocket {
 public:
  NfnetlinkSocket();

  /// Hands each answer to `on_message`, which may throw, and waits for the kernel to say that it is
  /// done. A request without answers needs none.
  NfnetlinkOutcome ask(const NfnetlinkRequest& request,
                       const std::function<void(const nlmsghdr* message)>& on_message);

 private:
  void send(const NfnetlinkRequest& request);

  std::unique_ptr<mnl_socket, int (*)(mnl_socket*)> socket_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace proxy
