#include "proxy/nfacct.h"

#include <array>
#include <cerrno>
#include <memory>
#include <string>

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_acct.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace proxy {

namespace {

constexpr timeval kAnswerDeadline{.tv_sec = 5, .tv_usec = 0};
constexpr std::string_view kProbe = "IMayExist";  // kube-proxy's word

struct Answer {
  int error = 0;  // positive errno, or 0
  std::optional<std::uint64_t> packets;
};

int read_attribute(const nlattr* attribute, void* answer) {
  if (mnl_attr_get_type(attribute) == NFACCT_PKTS) {
    static_cast<Answer*>(answer)->packets = be64toh(mnl_attr_get_u64(attribute));
  }
  return MNL_CB_OK;
}

int read_object(const nlmsghdr* message, void* answer) {
  return mnl_attr_parse(message, sizeof(nfgenmsg), read_attribute, answer);
}

/// Sends one request and reads until the kernel's acknowledgement or refusal.
Answer ask(int command, int flags, std::string_view name) {
  const std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)> socket(
      mnl_socket_open(NETLINK_NETFILTER), &mnl_socket_close);
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return {.error = errno};
  }
  ::setsockopt(mnl_socket_get_fd(socket.get()),
               SOL_SOCKET,
               SO_RCVTIMEO,
               &kAnswerDeadline,
               sizeof kAnswerDeadline);
  std::array<std::uint8_t, 4096> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_ACCT << 8) | command);
  message->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  message->nlmsg_seq = 1;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->version = NFNETLINK_V0;
  mnl_attr_put_strz(message, NFACCT_NAME, std::string(name).c_str());
  if (mnl_socket_sendto(socket.get(), message, message->nlmsg_len) < 0) {
    return {.error = errno};
  }
  Answer answer;
  const unsigned port = mnl_socket_get_portid(socket.get());
  for (int state = MNL_CB_OK; state > MNL_CB_STOP;) {
    const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    state = size < 0
                ? MNL_CB_ERROR
                : mnl_cb_run(
                      buffer.data(), static_cast<std::size_t>(size), 1, port, read_object, &answer);
    answer.error = state == MNL_CB_ERROR ? errno : 0;
  }
  return answer;
}

}  // namespace

bool accounting_is_available() {
  const int error = ask(NFNL_MSG_ACCT_GET, 0, kProbe).error;
  return error == 0 || error == ENOENT;
}

bool ensure_accounting_object(std::string_view name) {
  if (ask(NFNL_MSG_ACCT_GET, 0, name).error == 0) {
    return true;
  }
  const int error = ask(NFNL_MSG_ACCT_NEW, NLM_F_CREATE, name).error;
  return error == 0 || error == EEXIST;
}

std::optional<std::uint64_t> accounted_packets(std::string_view name) {
  return ask(NFNL_MSG_ACCT_GET, 0, name).packets;
}

}  // namespace proxy
