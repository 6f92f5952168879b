#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "rules/net.h"

struct mnl_socket;
struct nlmsghdr;

namespace proxy {

using NetlinkHandle = std::unique_ptr<mnl_socket, int (*)(mnl_socket*)>;

/// A socket for netfilter's messages, on which nobody waits for longer than 10 s. Throws
/// std::system_error.
NetlinkHandle open_nfnetlink();

/// What all messages of nfnetlink begin with.
struct NfnetlinkHeader {
  int type = 0;    // subsystem and command, or NFNL_MSG_BATCH_BEGIN or NFNL_MSG_BATCH_END
  int flags = 0;   // NLM_F_* beside NLM_F_REQUEST
  int family = 0;  // AF_INET, AF_INET6, or 0
  int resource = 0;
};

/// Starts a message at `where`, which must have room for it.
nlmsghdr* start_message(std::uint8_t* where, const NfnetlinkHeader& header);

/// A question to one subsystem of the kernel's netfilter.
struct NfnetlinkRequest {
  int subsystem = 0;                                 // NFNL_SUBSYS_*
  int command = 0;                                   // of the subsystem
  int flags = 0;                                     // NLM_F_* beside NLM_F_REQUEST and NLM_F_ACK
  std::optional<rules::Family> family;               // nothing: the question concerns none
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
/// such socket, or no answer for 10 s; the socket is good for nothing after any exception.
class NfnetlinkSocket {
 public:
  NfnetlinkSocket();

  /// Hands each answer to `on_message`, which may throw, and waits for the kernel to say that it is
  /// done. A request without answers needs none.
  NfnetlinkOutcome ask(const NfnetlinkRequest& request,
                       const std::function<void(const nlmsghdr* message)>& on_message);

 private:
  void send(const NfnetlinkRequest& request);

  NetlinkHandle socket_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace proxy
