#include <algorithm>

#include <catch2/catch.hpp>

#include "proxy/cluster/store.h"
#include "test/support/builders.h"

using k8sclient::Changed;
using k8sclient::Deleted;
using k8sclient::EndpointSlice;
using k8sclient::Listed;
using proxy::Store;
using rules::Family;
using test::endpoint;
using test::slice;

// The rows of kube-proxy's TestUpdateEndpointsMap (spec §12.2): slices before and after, and the
// endpoints that remain. Endpoints with a star run on this node.

namespace {

using Texts = std::vector<std::string>;
using Slices = std::vector<test::SliceBuilder>;

struct Row {
  const char* name;
  Slices before;
  Slices after;
  Texts expected;
};

test::EndpointBuilder local(const char* address) {
  return endpoint(address).on_node("node1");
}

std::vector<EndpointSlice> built(const Slices& builders) {
  std::vector<EndpointSlice> result;
  for (const auto& builder : builders) {
    result.push_back(builder.build());
  }
  return result;
}

// Services ns1/ep1, ns2/ep2, ns3/ep3 and ns4/ep4 with the ports that the rows use.
std::vector<k8sclient::Service> services() {
  std::vector<k8sclient::Service> result;
  for (const char* name : {"ns1/ep1", "ns2/ep2", "ns3/ep3", "ns4/ep4"}) {
    auto builder = test::service(name, {"172.16.0.1"}).port("", 80, "UDP");
    for (const char* port : {"p11", "p11-2", "p12", "p13", "p14", "p21", "p22", "p122", "p44"}) {
      builder.port(port, 80, "UDP");
    }
    result.push_back(builder.build());
  }
  return result;
}

Texts endpoints_in(Store& store) {
  Texts result;
  for (const auto& [name, port] : sorted_service_ports(*store.latest(Family::kIpv4)->snapshot)) {
    if (port->endpoints.empty()) {
      continue;
    }
    auto& line = result.emplace_back(to_string(name));
    for (const auto& e : port->endpoints) {
      line += " " + to_string(e.address) + (e.local ? "*" : "");
    }
  }
  return result;
}

void list(Store& store, const Slices& slices) {
  store.apply(k8sclient::Event<EndpointSlice>(Listed<EndpointSlice>{built(slices)}));
}

// One event for each slice of `after`, and for each that is only in `before`.
void change(Store& store, const Slices& before, const Slices& after) {
  const auto wanted = built(after);
  for (const auto& old : built(before)) {
    if (std::ranges::find(wanted, old.name, &EndpointSlice::name) == wanted.end()) {
      store.apply(k8sclient::Event<EndpointSlice>(Deleted{old.name}));
    }
  }
  for (const auto& object : wanted) {
    store.apply(k8sclient::Event<EndpointSlice>(Changed<EndpointSlice>{object}));
  }
}

Slices one(const test::SliceBuilder& builder) {
  return {builder};
}

test::SliceBuilder ep1(const char* suffix) {
  return slice(std::string("ns1/ep1") + suffix, "ep1");
}

const Slices kNamedPortLocal = one(ep1("1").port("p11", 11, "UDP").with(local("10.1.1.1")));
const Slices kTwoSlices = {ep1("1").port("p11", 11, "UDP").addresses({"10.1.1.1"}),
                           ep1("2").port("p12", 12, "UDP").addresses({"10.1.1.2"})};
const Slices kTwoSlicesLocal = {ep1("1").port("p11", 11, "UDP").with(local("10.1.1.1")),
                                ep1("2").port("p12", 12, "UDP").addresses({"10.1.1.2"})};
const Slices kMultiplePortsLocal = {
    ep1("1").port("p11", 11, "UDP").port("p12", 12, "UDP").with(local("10.1.1.1")),
    ep1("2").port("p13", 13, "UDP").addresses({"10.1.1.3"})};
const Slices kTwoServices = {ep1("1")
                                 .port("p11", 11, "UDP")
                                 .port("p12", 12, "UDP")
                                 .addresses({"10.1.1.1"})
                                 .with(local("10.1.1.2")),
                             ep1("2")
                                 .port("p13", 13, "UDP")
                                 .port("p14", 14, "UDP")
                                 .addresses({"10.1.1.3"})
                                 .with(local("10.1.1.4")),
                             slice("ns2/ep2-1", "ep2")
                                 .port("p21", 21, "UDP")
                                 .port("p22", 22, "UDP")
                                 .addresses({"10.2.2.1"})
                                 .with(local("10.2.2.2"))};
const Slices kTwoAddresses = one(ep1("1")
                                     .port("p11", 11, "UDP")
                                     .port("p12", 12, "UDP")
                                     .addresses({"10.1.1.1"})
                                     .with(local("10.1.1.2")));
const Slices kNamedPort = one(ep1("1").port("p11", 11, "UDP").addresses({"10.1.1.1"}));

const std::vector<Row> kRows{
    {"nothing", {}, {}, {}},
    {"no change, named port, local",
     kNamedPortLocal,
     kNamedPortLocal,
     {"ns1/ep1:p11 10.1.1.1:11*"}},
    {"no change, multiple subsets",
     kTwoSlices,
     kTwoSlices,
     {"ns1/ep1:p11 10.1.1.1:11", "ns1/ep1:p12 10.1.1.2:12"}},
    {"no change, multiple subsets, multiple ports, local",
     kMultiplePortsLocal,
     kMultiplePortsLocal,
     {"ns1/ep1:p11 10.1.1.1:11*", "ns1/ep1:p12 10.1.1.1:12*", "ns1/ep1:p13 10.1.1.3:13"}},
    {"no change, multiple endpoints, subsets, IPs, and ports",
     kTwoServices,
     kTwoServices,
     {"ns1/ep1:p11 10.1.1.1:11 10.1.1.2:11*",
      "ns1/ep1:p12 10.1.1.1:12 10.1.1.2:12*",
      "ns1/ep1:p13 10.1.1.3:13 10.1.1.4:13*",
      "ns1/ep1:p14 10.1.1.3:14 10.1.1.4:14*",
      "ns2/ep2:p21 10.2.2.1:21 10.2.2.2:21*",
      "ns2/ep2:p22 10.2.2.1:22 10.2.2.2:22*"}},
    {"add an Endpoints",
     {},
     one(ep1("1").port("", 11, "UDP").with(local("10.1.1.1"))),
     {"ns1/ep1 10.1.1.1:11*"}},
    {"remove an Endpoints", one(ep1("1").port("", 11, "UDP").with(local("10.1.1.1"))), {}, {}},
    {"add an IP and port",
     kNamedPort,
     kTwoAddresses,
     {"ns1/ep1:p11 10.1.1.1:11 10.1.1.2:11*", "ns1/ep1:p12 10.1.1.1:12 10.1.1.2:12*"}},
    {"remove an IP and port", kTwoAddresses, kNamedPort, {"ns1/ep1:p11 10.1.1.1:11"}},
    {"add a subset",
     kNamedPortLocal,
     kTwoSlicesLocal,
     {"ns1/ep1:p11 10.1.1.1:11*", "ns1/ep1:p12 10.1.1.2:12"}},
    {"remove a subset", kTwoSlices, kNamedPort, {"ns1/ep1:p11 10.1.1.1:11"}},
    {"rename a port",
     kNamedPort,
     one(ep1("1").port("p11-2", 11, "UDP").addresses({"10.1.1.1"})),
     {"ns1/ep1:p11-2 10.1.1.1:11"}},
    {"renumber a port",
     kNamedPort,
     one(ep1("1").port("p11", 22, "UDP").addresses({"10.1.1.1"})),
     {"ns1/ep1:p11 10.1.1.1:22"}},
    {"complex add and remove",
     {ep1("1").port("p11", 11, "UDP").addresses({"10.1.1.1"}),
      slice("ns2/ep2-1", "ep2")
          .port("p22", 22, "UDP")
          .with(local("10.2.2.22"))
          .with(local("10.2.2.2")),
      slice("ns2/ep2-2", "ep2").port("p23", 23, "UDP").with(local("10.2.2.3")),
      slice("ns4/ep4-1", "ep4")
          .port("p44", 44, "UDP")
          .with(local("10.4.4.4"))
          .with(local("10.4.4.5"))},
     {ep1("1").port("p11", 11, "UDP").addresses({"10.1.1.1", "10.1.1.11"}),
      ep1("2").port("p12", 12, "UDP").port("p122", 122, "UDP").addresses({"10.1.1.2"}),
      slice("ns3/ep3-1", "ep3").port("", 33, "UDP").addresses({"10.3.3.3"}),
      slice("ns4/ep4-1", "ep4").port("p44", 44, "UDP").with(local("10.4.4.4"))},
     {"ns1/ep1:p11 10.1.1.11:11 10.1.1.1:11",
      "ns1/ep1:p12 10.1.1.2:12",
      "ns1/ep1:p122 10.1.1.2:122",
      "ns3/ep3 10.3.3.3:33",
      "ns4/ep4:p44 10.4.4.4:44*"}},
    {"change from 0 endpoint address to 1 unnamed port",
     one(ep1("1").port("", 11, "UDP")),
     one(ep1("1").port("", 11, "UDP").addresses({"10.1.1.1"})),
     {"ns1/ep1 10.1.1.1:11"}},
};

}  // namespace

TEST_CASE("store: slices change the endpoints (TestUpdateEndpointsMap)", "[proxy][store]") {
  const Row row = GENERATE(from_range(kRows));
  CAPTURE(row.name);
  Store store({.node_name = "node1"}, {});
  store.apply(k8sclient::Event<k8sclient::Service>(Listed<k8sclient::Service>{services()}));
  store.apply(k8sclient::Event<k8sclient::Node>(Listed<k8sclient::Node>{}));
  list(store, row.before);
  const auto initial = *store.latest(Family::kIpv4);

  SECTION("one by one") {
    change(store, row.before, row.after);
  }
  SECTION("as a list") {
    list(store, row.after);
  }

  CHECK(endpoints_in(store) == row.expected);
  const bool same = built(row.before) == built(row.after);
  CHECK((store.latest(Family::kIpv4)->snapshot == initial.snapshot) == same);
}
