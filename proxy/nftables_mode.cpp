#include "proxy/nftables_mode.h"

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "proxy/logging.h"
#include "proxy/per_family.h"

namespace proxy {

namespace {

constexpr timeval kAnswerDeadline{.tv_sec = 5, .tv_usec = 0};

using Socket = std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)>;

[[noreturn]] void fail(int error) {
  throw std::system_error(error, std::generic_category(), "deleting a table of nftables");
}

Socket open_socket() {
  Socket socket(mnl_socket_open(NETLINK_NETFILTER), &mnl_socket_close);
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    fail(errno);
  }
  ::setsockopt(mnl_socket_get_fd(socket.get()),
               SOL_SOCKET,
               SO_RCVTIMEO,
               &kAnswerDeadline,
               sizeof kAnswerDeadline);
  return socket;
}

struct Header {
  std::uint16_t type;
  std::uint16_t flags;
  std::uint8_t family;
  std::uint16_t resource;
};

nlmsghdr* put_message(mnl_nlmsg_batch* batch, const Header& wanted) {
  nlmsghdr* message = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(batch));
  message->nlmsg_type = wanted.type;
  message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | wanted.flags);
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->nfgen_family = wanted.family;
  header->version = NFNETLINK_V0;
  header->res_id = htons(wanted.resource);
  return message;
}

/// The kernel's answer to the one message that asks for it; 0, or an errno.
int answer(const Socket& socket) {
  std::array<std::uint8_t, 4096> buffer{};
  const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
  if (size < 0) {
    return errno;
  }
  const unsigned port = mnl_socket_get_portid(socket.get());
  const int state =
      mnl_cb_run(buffer.data(), static_cast<std::size_t>(size), 0, port, nullptr, nullptr);
  return state == MNL_CB_ERROR ? errno : 0;
}

}  // namespace

bool remove_nft_table(rules::Family family, std::string_view name) {
  std::array<std::uint8_t, 4096> buffer{};
  const std::unique_ptr<mnl_nlmsg_batch, decltype(&mnl_nlmsg_batch_stop)> batch(
      mnl_nlmsg_batch_start(buffer.data(), buffer.size() / 2), &mnl_nlmsg_batch_stop);
  if (!batch) {
    fail(ENOMEM);
  }
  put_message(batch.get(), {NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES});
  mnl_nlmsg_batch_next(batch.get());
  nlmsghdr* request = put_message(
      batch.get(),
      {static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE),
       NLM_F_ACK,
       static_cast<std::uint8_t>(family == rules::Family::kIpv4 ? NFPROTO_IPV4 : NFPROTO_IPV6),
       0});
  mnl_attr_put_strz(request, NFTA_TABLE_NAME, std::string(name).c_str());
  mnl_nlmsg_batch_next(batch.get());
  put_message(batch.get(), {NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES});
  mnl_nlmsg_batch_next(batch.get());

  const Socket socket = open_socket();
  if (mnl_socket_sendto(
          socket.get(), mnl_nlmsg_batch_head(batch.get()), mnl_nlmsg_batch_size(batch.get())) < 0) {
    fail(errno);
  }
  const int error = answer(socket);
  if (error != 0 && error != ENOENT && error != EOPNOTSUPP) {
    fail(error);
  }
  return error == 0;
}

bool remove_nftables_mode() {
  bool all_gone = true;
  for (const rules::Family family : kFamilies) {
    try {
      if (remove_nft_table(family, kNftablesModeTable)) {
        log_info("Removed the table of kube-proxy's nftables mode",
                 {{"family", to_string(family)}, {"table", kNftablesModeTable}});
      }
    } catch (const std::system_error& error) {
      all_gone = false;
      log_warning("Cannot look for the table of kube-proxy's nftables mode",
                  {{"family", to_string(family)}, {"error", error.what()}});
    }
  }
  return all_gone;
}

}  // namespace proxy
