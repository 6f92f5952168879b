#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "proxy/nft/messages.h"

namespace proxy {

/// How a transaction went.
struct NftOutcome {
  int error = 0;               // an errno; 0: all of it is committed; otherwise nothing
  std::uint32_t sequence = 0;  // of the first message that was refused; 0: none in particular
  std::string detail;          // what the kernel says about it beside the errno, mostly nothing
};

/// A socket for transactions on nftables. Methods throw std::system_error without the right to do
/// it, and if there is no socket.
class NftTransactions {
 public:
  /// Room in the kernel for transactions of that size is asked for.
  explicit NftTransactions(std::size_t bytes);

  /// The size above which the kernel may refuse to take a transaction: less than was asked for
  /// without NET_ADMIN.
  std::size_t room() const { return room_; }

  /// Sends the parts one after the other as one transaction. At least one message has to ask for an
  /// answer (NLM_F_ACK); the number of none is 0. It is refused with ERESTART if nftables are not
  /// of that generation any more, and with EMSGSIZE if there is no room. ENOBUFS if the answer got
  /// lost: nobody knows then what became of it.
  NftOutcome commit(std::uint32_t generation, std::initializer_list<const NftMessages*> messages);

 private:
  std::size_t make_room(std::size_t bytes);
  void discard_answers();
  NftOutcome read_answers();

  NetlinkHandle socket_;
  std::size_t room_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace proxy
