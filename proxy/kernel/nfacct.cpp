#include "proxy/kernel/nfacct.h"

#include <cerrno>
#include <string>
#include <system_error>

#include <endian.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_acct.h>

#include "proxy/kernel/nfnetlink.h"

namespace proxy {

namespace {

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

Answer ask_accounting(int command, int flags, std::string_view name) {
  Answer answer;
  try {
    const NfnetlinkOutcome outcome =
        NfnetlinkSocket().ask({.subsystem = NFNL_SUBSYS_ACCT,
                               .command = command,
                               .flags = flags,
                               .strings = {{NFACCT_NAME, std::string(name)}}},
                              [&](const nlmsghdr* message) {
                                mnl_attr_parse(message, sizeof(nfgenmsg), read_attribute, &answer);
                              });
    answer.error = outcome.error;
  } catch (const std::system_error& error) {
    answer.error = error.code().value();  // to the caller as good as a refusal
  }
  return answer;
}

}  // namespace

bool accounting_is_available() {
  const int error = ask_accounting(NFNL_MSG_ACCT_GET, 0, kProbe).error;
  return error == 0 || error == ENOENT;
}

// Never "look, then make": the proxies of both families do this at the same moment.
bool ensure_accounting_object(std::string_view name) {
  const int error = ask_accounting(NFNL_MSG_ACCT_NEW, NLM_F_CREATE, name).error;
  return error == 0 || error == EBUSY;  // the kernel's word for "there is one already"
}

std::optional<std::uint64_t> accounted_packets(std::string_view name) {
  return ask_accounting(NFNL_MSG_ACCT_GET, 0, name).packets;
}

}  // namespace proxy
