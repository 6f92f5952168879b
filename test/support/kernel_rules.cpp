#include "test/support/kernel_rules.h"

#include <memory>
#include <vector>

#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "proxy/descriptor.h"

namespace test {

namespace {

int count_rule(const nlmsghdr*, void* count) {
  ++*static_cast<std::size_t*>(count);
  return MNL_CB_OK;
}

}  // namespace

std::size_t nft_rule_count(const std::string& table, const std::string& chain) {
  const std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)> socket(
      mnl_socket_open(NETLINK_NETFILTER), &mnl_socket_close);
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    proxy::throw_errno("netlink socket");
  }
  std::vector<std::uint8_t> buffer(static_cast<std::size_t>(MNL_SOCKET_BUFFER_SIZE));
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE);
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message->nlmsg_seq = 1;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->nfgen_family = AF_INET;
  header->version = NFNETLINK_V0;
  mnl_attr_put_strz(message, NFTA_RULE_TABLE, table.c_str());
  mnl_attr_put_strz(message, NFTA_RULE_CHAIN, chain.c_str());
  if (mnl_socket_sendto(socket.get(), message, message->nlmsg_len) < 0) {
    proxy::throw_errno("ask for rules");
  }
  std::size_t count = 0;
  for (int state = MNL_CB_OK; state > MNL_CB_STOP;) {
    const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    state = size < 0 ? MNL_CB_ERROR
                     : mnl_cb_run(buffer.data(),
                                  static_cast<std::size_t>(size),
                                  1,
                                  mnl_socket_get_portid(socket.get()),
                                  count_rule,
                                  &count);
    if (state == MNL_CB_ERROR && errno == EINTR) {
      return nft_rule_count(table, chain);  // a commit came in between
    }
    if (state == MNL_CB_ERROR && errno != ENOENT) {
      proxy::throw_errno("read rules");
    }
  }
  return count;
}

}  // namespace test
