#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
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

/// Takes the first message away and returns it; null if they do not begin with a whole one. They
/// are aligned as such.
const nlmsghdr* take_message(std::span<const std::uint8_t>& messages);

/// A question to one subsystem of the kernel's netfilter.
struct NfnetlinkRequest {
  int subsystem = 0;                                 // NFNL_SUBSYS_*
  int command = 0;                                   // of the subsystem
  int flags = 0;                                     // NLM_F_* beside NLM_F_REQUEST and NLM_F_ACK
  std::optional<rules::Family> family;               // nothing: the question concerns none
  std::vector<std::pair<int, std::string>> strings;  // attributes: type and text
  std::vector<std::pair<int, std::uint32_t>> numbers =
      {};                       // likewise; in network order on the wire
  bool is_transaction = false;  // what changes nftables has to come as one, even if it is alone
};

/// How a request that was answered went.
struct NfnetlinkOutcome {
  int error = 0;  // the kernel's refusal, an errno; 0 if it did what it was asked
  bool interrupted =
      false;  // somebody changed what was being dumped: parts may be missing or double
};

/// A socket for such requests. What does not come from the kernel, or answers an earlier request,
/// is left aside. Methods throw std::system_error if there is no such socket, or no answer for 10
/// s. It may be asked again after any exception, but refuses a list (EBUSY) until the kernel has
/// given all of the last one.
class NfnetlinkSocket {
 public:
  NfnetlinkSocket();

  /// Hands each answer to `on_message`, which may throw, and waits for the kernel to say that it is
  /// done. A request without answers needs none.
  NfnetlinkOutcome ask(const NfnetlinkRequest& request,
                       const std::function<void(const nlmsghdr* message)>& on_message);

  using OnMessage = std::function<void(std::size_t request, const nlmsghdr* message)>;
  using OnOutcome = std::function<void(std::size_t request, const NfnetlinkOutcome& outcome)>;

  /// The same for many requests in one send, at most most_at_once(); each is known by its index.
  /// One that asks for a list ends with EBUSY if the kernel has not yet given all of an earlier
  /// list: it is to be asked anew.
  void ask_all(std::span<const NfnetlinkRequest> requests,
               const OnMessage& on_message,
               const OnOutcome& on_outcome);

  /// So many answers have room.
  std::size_t most_at_once() const { return most_at_once_; }

 private:
  std::size_t write(const NfnetlinkRequest& request, std::size_t used);
  void send(std::size_t size);
  std::span<const std::uint8_t> receive();

  NetlinkHandle socket_;
  std::uint32_t sequence_ = 0;  // of the last request
  std::size_t most_at_once_ = 1;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace proxy
