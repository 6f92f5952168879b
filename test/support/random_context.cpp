#include "test/support/random_context.h"

#include "test/support/generators.h"

namespace test {

rules::Context random_context(Random& random, rules::Family family) {
  const bool ipv4 = family == rules::Family::kIpv4;
  rules::Context context;
  context.family = family;
  context.node_name = kNodeName;
  context.zone = random.one_of({"", "zone-a", "zone-b"});
  context.node_ip = rules::IpAddress::parse(ipv4 ? kNodeIpv4 : kNodeIpv6).value();
  context.masquerade_mark = std::uint32_t{1} << random.below(32);
  context.masquerade_all = random.chance(20);
  context.random_fully = random.chance(80);
  context.localhost_node_ports = ipv4 && random.chance(70);
  context.tcp_be_liberal = random.chance(20);
  context.counts_invalid_drops = random.chance(50);
  context.counts_localhost_node_ports = random.chance(50);
  context.large_cluster = random.chance(20);
  if (random.chance(60)) {
    context.local_traffic = rules::Cidr::parse(ipv4 ? kPodNetworkIpv4 : kPodNetworkIpv6).value();
  } else if (random.chance(50)) {
    context.local_traffic = rules::LocalInterface{random.one_of({"cali+", "cni0"})};
  }
  if (random.chance(30)) {
    context.node_port_addresses = {context.node_ip};
  }
  return context;
}

}  // namespace test
