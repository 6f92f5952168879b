#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "proxy/descriptor.h"
#include "proxy/entrance.h"
#include "rules/names.h"

namespace proxy {

namespace {

using Socket = std::unique_ptr<mnl_socket, decltype(&mnl_socket_close)>;

constexpr timeval kAnswerDeadline{.tv_sec = 5, .tv_usec = 0};

/// A commit by anybody in the middle of an answer makes it void.
constexpr int kAttempts = 10;

using OnAttribute = int (*)(const nlattr* attribute, void* data);

int parse_nested(const nlattr* attribute, OnAttribute on_attribute, void* data) {
  return mnl_attr_parse_nested(attribute, on_attribute, data);
}

int read_counter(const nlattr* attribute, void* data) {
  auto& counter = static_cast<EntranceCount*>(data)->counter;
  switch (mnl_attr_get_type(attribute)) {
    case NFTA_COUNTER_PACKETS:
      counter.packets = be64toh(mnl_attr_get_u64(attribute));
      break;
    case NFTA_COUNTER_BYTES:
      counter.bytes = be64toh(mnl_attr_get_u64(attribute));
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

/// Of an immediate: its data, in that a verdict, and in that the chain that it leads to.
int read_verdict(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == NFTA_VERDICT_CHAIN) {
    static_cast<EntranceCount*>(data)->chain = rules::ChainName(mnl_attr_get_str(attribute));
  }
  return MNL_CB_OK;
}

int read_immediate_data(const nlattr* attribute, void* data) {
  return mnl_attr_get_type(attribute) == NFTA_DATA_VERDICT
             ? parse_nested(attribute, read_verdict, data)
             : MNL_CB_OK;
}

int read_immediate(const nlattr* attribute, void* data) {
  return mnl_attr_get_type(attribute) == NFTA_IMMEDIATE_DATA
             ? parse_nested(attribute, read_immediate_data, data)
             : MNL_CB_OK;
}

struct Expression {
  std::string_view name;
  const nlattr* data = nullptr;
};

int read_expression(const nlattr* attribute, void* data) {
  auto& expression = *static_cast<Expression*>(data);
  switch (mnl_attr_get_type(attribute)) {
    case NFTA_EXPR_NAME:
      expression.name = mnl_attr_get_str(attribute);
      break;
    case NFTA_EXPR_DATA:
      expression.data = attribute;
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

int read_list_element(const nlattr* attribute, void* data) {
  Expression expression;
  parse_nested(attribute, read_expression, &expression);
  if (expression.data == nullptr) {
    return MNL_CB_OK;
  }
  if (expression.name == "counter") {
    return parse_nested(expression.data, read_counter, data);
  }
  return expression.name == "immediate" ? parse_nested(expression.data, read_immediate, data)
                                        : MNL_CB_OK;
}

int read_rule(const nlattr* attribute, void* data) {
  switch (mnl_attr_get_type(attribute)) {
    case NFTA_RULE_HANDLE:
      static_cast<EntranceCount*>(data)->rule = be64toh(mnl_attr_get_u64(attribute));
      break;
    case NFTA_RULE_EXPRESSIONS:
      return parse_nested(attribute, read_list_element, data);
    default:
      break;
  }
  return MNL_CB_OK;
}

int read_message(const nlmsghdr* message, void* data) {
  EntranceCount count;
  if (mnl_attr_parse(message, sizeof(nfgenmsg), read_rule, &count) < MNL_CB_STOP) {
    return MNL_CB_ERROR;
  }
  if (!count.chain.view().empty()) {
    static_cast<std::vector<EntranceCount>*>(data)->push_back(count);
  }
  return MNL_CB_OK;
}

/// Appends the rules of one chain of nat that lead somewhere. Throws std::system_error, EINTR if
/// somebody committed meanwhile.
void dump_chain(rules::Family family, std::string_view chain, std::vector<EntranceCount>& found) {
  const Socket socket(mnl_socket_open(NETLINK_NETFILTER), &mnl_socket_close);
  if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    throw_errno("netlink socket for nftables rules");
  }
  ::setsockopt(mnl_socket_get_fd(socket.get()),
               SOL_SOCKET,
               SO_RCVTIMEO,
               &kAnswerDeadline,
               sizeof kAnswerDeadline);
  std::array<std::uint8_t, 1 << 16> buffer{};
  nlmsghdr* message = mnl_nlmsg_put_header(buffer.data());
  message->nlmsg_type = static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE);
  message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  message->nlmsg_seq = 1;
  auto* header = static_cast<nfgenmsg*>(mnl_nlmsg_put_extra_header(message, sizeof(nfgenmsg)));
  header->nfgen_family = family == rules::Family::kIpv4 ? AF_INET : AF_INET6;
  header->version = NFNETLINK_V0;
  mnl_attr_put_strz(message, NFTA_RULE_TABLE, "nat");
  mnl_attr_put_strz(message, NFTA_RULE_CHAIN, std::string(chain).c_str());
  if (mnl_socket_sendto(socket.get(), message, message->nlmsg_len) < 0) {
    throw_errno("cannot ask for nftables rules");
  }
  const unsigned port = mnl_socket_get_portid(socket.get());
  for (int state = MNL_CB_OK; state > MNL_CB_STOP;) {
    const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer.data(), buffer.size());
    state = size < 0
                ? MNL_CB_ERROR
                : mnl_cb_run(
                      buffer.data(), static_cast<std::size_t>(size), 1, port, read_message, &found);
    if (state == MNL_CB_ERROR && errno == ENOENT) {
      return;  // no such table, or no such chain
    }
    if (state == MNL_CB_ERROR) {
      throw_errno("cannot read nftables rules");
    }
  }
}

}  // namespace

std::vector<EntranceCount> read_nft_entrances(rules::Family family) {
  for (int attempt = 1;; ++attempt) {
    std::vector<EntranceCount> found;
    try {
      dump_chain(family, rules::kServicesChain, found);
      dump_chain(family, rules::kNodePortsChain, found);
      return found;
    } catch (const std::system_error& error) {
      if (error.code().value() != EINTR || attempt == kAttempts) {
        throw;
      }
    }
  }
}

}  // namespace proxy
