#include "test/support/accounting_objects.h"

#include <array>
#include <ctime>
#include <memory>

#include <catch2/catch.hpp>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_acct.h>

namespace test {

void make_accounting_objects() {
  using Socket = std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)>;
  const Socket socket(mnl_socket_open(NETLINK_NETFILTER), mnl_socket_close);
  REQUIRE(socket);
  REQUIRE(mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) == 0);
  for (const char* name : {"ct_state_invalid_dropped_pkts", "localhost_nps_accepted_pkts"}) {
    std::array<char, 8192> buffer{};
    nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
    message->nlmsg_type = (NFNL_SUBSYS_ACCT << 8) | NFNL_MSG_ACCT_NEW;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
    message->nlmsg_seq = static_cast<std::uint32_t>(std::time(nullptr));
    auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
    header->nfgen_family = AF_UNSPEC;
    header->version = NFNETLINK_V0;
    mnl_attr_put_strz(message, NFACCT_NAME, name);
    REQUIRE(mnl_socket_sendto(socket.get(), message, message->nlmsg_len) > 0);
    const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    REQUIRE(size > 0);
    const int result = mnl_cb_run(buffer.data(),
                                  static_cast<std::size_t>(size),
                                  message->nlmsg_seq,
                                  mnl_socket_get_portid(socket.get()),
                                  nullptr,
                                  nullptr);
    REQUIRE(result >= 0);
  }
}

}  // namespace test
