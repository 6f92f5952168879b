#include <catch2/catch.hpp>

#include "proxy/cluster/translate.h"
#include "test/support/builders.h"

using proxy::translate;
using rules::Family;
using rules::Protocol;
using test::endpoint;
using test::slice;

namespace {

using Texts = std::vector<std::string>;

const proxy::TranslateOptions kOptions{.node_name = "node1"};

// Translated slices together, in the order given, as if all belonged to one Service.
class Endpoints {
 public:
  explicit Endpoints(const std::vector<test::SliceBuilder>& builders) {
    for (const auto& builder : builders) {
      auto translation = translate(builder.build(), kOptions);
      REQUIRE(translation.slice);
      slices_.push_back(std::move(*translation.slice));
    }
  }

  std::vector<rules::Endpoint> of(std::string_view port,
                                  Protocol protocol = Protocol::kTcp,
                                  Family family = Family::kIpv4) const {
    std::vector<const proxy::Slice*> pointers;
    for (const auto& s : slices_) {
      pointers.push_back(&s);
    }
    return endpoints_of(pointers, family, port, protocol);
  }

 private:
  std::vector<proxy::Slice> slices_;
};

Texts addresses(const std::vector<rules::Endpoint>& endpoints) {
  Texts result;
  for (const auto& e : endpoints) {
    result.push_back(to_string(e.address));
  }
  return result;
}

}  // namespace

TEST_CASE("translate: slices of a Service give the endpoints of each port, sorted by their bytes",
          "[proxy][translate]") {
  const Endpoints endpoints({
      slice("ns1/svc1-a", "svc1")
          .port("p80", 80)
          .port("p443", 443)
          .addresses({"10.180.0.9", "10.180.0.1"}),
      slice("ns1/svc1-b", "svc1").port("p80", 8080).addresses({"10.180.0.10", "10.180.0.1"}),
  });

  CHECK(addresses(endpoints.of("p80")) ==
        Texts{"10.180.0.10:8080", "10.180.0.1:80", "10.180.0.1:8080", "10.180.0.9:80"});
  CHECK(addresses(endpoints.of("p443")) == Texts{"10.180.0.1:443", "10.180.0.9:443"});
  CHECK(endpoints.of("p80", Protocol::kUdp).empty());
  CHECK(endpoints.of("p80", Protocol::kTcp, Family::kIpv6).empty());
  CHECK(endpoints.of("").empty());
}

TEST_CASE("translate: ports are matched by name and protocol, the unnamed one included",
          "[proxy][translate]") {
  const Endpoints endpoints({slice("ns1/s", "svc1")
                                 .port("", 80)
                                 .port("dns", 53, "UDP")
                                 .port("dns", 5353, "TCP")
                                 .port("sc", 7, "SCTP")
                                 .addresses({"10.0.0.1"})});

  CHECK(addresses(endpoints.of("")) == Texts{"10.0.0.1:80"});
  CHECK(addresses(endpoints.of("dns", Protocol::kUdp)) == Texts{"10.0.0.1:53"});
  CHECK(addresses(endpoints.of("dns", Protocol::kTcp)) == Texts{"10.0.0.1:5353"});
  CHECK(addresses(endpoints.of("sc", Protocol::kSctp)) == Texts{"10.0.0.1:7"});
}

TEST_CASE("translate: what an endpoint says of itself", "[proxy][translate]") {
  const auto rows = Endpoints({slice("ns1/s", "svc1")
                                   .port("p", 1)
                                   .with(endpoint("10.0.0.1"))
                                   .with(endpoint("10.0.0.2").ready(false).on_node("node1"))
                                   .with(endpoint("10.0.0.3").serving(false).on_node("node2"))
                                   .with(endpoint("10.0.0.4").ready(false).terminating(true))
                                   .with(endpoint("10.0.0.5")
                                             .ready(true)
                                             .serving(true)
                                             .terminating(false)
                                             .for_zones({"a", "b"})
                                             .for_nodes({"node1"}))})
                        .of("p");

  REQUIRE(rows.size() == 5);
  const auto at = [](int n) {
    return *rules::SocketAddress::parse("10.0.0." + std::to_string(n) + ":1");
  };
  CHECK(rows[0] == rules::Endpoint{at(1), false, true, true, false, {}, {}});
  CHECK(rows[1] == rules::Endpoint{at(2), true, false, true, false, {}, {}});
  CHECK(rows[2] == rules::Endpoint{at(3), false, true, false, false, {}, {}});
  CHECK(rows[3] == rules::Endpoint{at(4), false, false, true, true, {}, {}});
  CHECK(rows[4] == rules::Endpoint{at(5), false, true, true, false, {"a", "b"}, {"node1"}});
}

TEST_CASE("translate: nothing is local to a node without a name", "[proxy][translate]") {
  const auto object =
      slice("ns1/s", "svc1").port("p", 1).with(endpoint("10.0.0.1").on_node("")).build();

  CHECK(!translate(object, {.node_name = ""}).slice->endpoints.front().local);
}

TEST_CASE("translate: of duplicate endpoints the last that is not terminating wins",
          "[proxy][translate]") {
  struct Duplicate {
    bool ready;
    bool terminating;
  };

  struct Row {
    const char* name;
    std::vector<Duplicate> duplicates;
    std::size_t winner;
  };

  const std::vector<Row> rows{
      {"both live", {{false, false}, {true, false}}, 1},
      {"a terminating newcomer does not replace", {{false, false}, {true, true}}, 0},
      {"a terminating one is replaced", {{false, true}, {true, false}}, 1},
      {"both terminating: the first stays", {{false, true}, {true, true}}, 0},
      {"three", {{false, true}, {true, false}, {false, true}}, 1},
  };
  const Row row = GENERATE_COPY(from_range(rows));
  const bool in_one_slice = GENERATE(true, false);
  CAPTURE(row.name, in_one_slice);

  std::vector<test::SliceBuilder> slices{slice("ns1/s0", "svc1").port("p", 1)};
  for (std::size_t i = 0; i < row.duplicates.size(); ++i) {
    if (!in_one_slice) {
      slices.push_back(slice("ns1/s" + std::to_string(i + 1), "svc1").port("p", 1));
    }
    slices.back().with(endpoint("10.0.0.1")
                           .ready(row.duplicates[i].ready)
                           .terminating(row.duplicates[i].terminating)
                           .for_zones({std::to_string(i)}));
  }
  const auto endpoints = Endpoints(slices).of("p");

  REQUIRE(endpoints.size() == 1);
  CHECK(endpoints.front().ready == row.duplicates[row.winner].ready);
  CHECK(endpoints.front().terminating == row.duplicates[row.winner].terminating);
  CHECK(endpoints.front().zone_hints == Texts{std::to_string(row.winner)});
}

TEST_CASE("translate: equal addresses written differently are duplicates", "[proxy][translate]") {
  const Endpoints endpoints(
      {slice("ns1/s", "svc1").port("p", 1).addresses({"10.0.0.1", "010.000.0.01"})});

  CHECK(addresses(endpoints.of("p")) == Texts{"10.0.0.1:1"});
}

TEST_CASE("translate: IPv6 slices are of IPv6 alone", "[proxy][translate]") {
  const Endpoints endpoints({slice("ns1/s", "svc1")
                                 .ipv6()
                                 .port("p", 1)
                                 .addresses({"fd00:0:0::1", "::ffff:10.0.0.1", "10.0.0.1"})});

  CHECK(addresses(endpoints.of("p", Protocol::kTcp, Family::kIpv6)) == Texts{"[fd00::1]:1"});
  CHECK(endpoints.of("p").empty());
}

TEST_CASE("translate: slices that are not for this proxy", "[proxy][translate]") {
  auto headless = slice("ns1/s", "svc1").build();
  headless.is_headless = true;
  CHECK(!translate(headless, kOptions).slice);
  CHECK(translate(headless, kOptions).warnings.empty());

  auto fqdn = slice("ns1/s", "svc1").build();
  fqdn.address_type = "FQDN";
  CHECK(!translate(fqdn, kOptions).slice);
  CHECK(translate(fqdn, kOptions).warnings ==
        Texts{"EndpointSlice \"ns1/s\": addressType \"FQDN\" dropped: neither IPv4 nor IPv6"});

  const auto orphan = slice("ns1/s", "").build();
  CHECK(!translate(orphan, kOptions).slice);
  CHECK(translate(orphan, kOptions).warnings ==
        Texts{"EndpointSlice \"ns1/s\": ignored: it has no label kubernetes.io/service-name"});
}

TEST_CASE("translate: a bad port or endpoint is dropped by name and the rest stays",
          "[proxy][translate]") {
  auto object = slice("ns1/s", "svc1")
                    .port("zero", 0)
                    .port("odd", 1, "ICMP")
                    .port("good", 80)
                    .addresses({"", "x\"y", "fd00::1", "127.0.0.1", "10.0.0.1"})
                    .trigger_time("yesterday")
                    .build();
  object.ports.push_back({.name = std::nullopt, .protocol = "TCP", .port = 1});
  object.ports.push_back({.name = "none", .protocol = "TCP", .port = std::nullopt});
  const auto [kept, warnings] = translate(object, kOptions);

  CHECK(
      warnings ==
      Texts{"EndpointSlice \"ns1/s\": ports[0] \"zero\" dropped: it has no port number",
            "EndpointSlice \"ns1/s\": ports[1].protocol \"ICMP\" dropped: unknown",
            "EndpointSlice \"ns1/s\": ports[3] dropped: it has no name",
            "EndpointSlice \"ns1/s\": ports[4] \"none\" dropped: it has no port number",
            "EndpointSlice \"ns1/s\": endpoints[0] dropped: it has no address",
            "EndpointSlice \"ns1/s\": endpoints[1] \"x\\\"y\" dropped: not an IPv4 address",
            "EndpointSlice \"ns1/s\": endpoints[2] \"fd00::1\" dropped: not an IPv4 address",
            "EndpointSlice \"ns1/s\": endpoints[3] \"127.0.0.1\" dropped: an address of each host",
            "EndpointSlice \"ns1/s\": annotation endpoints.kubernetes.io/last-change-trigger-time "
            "\"yesterday\" dropped: not an RFC 3339 time"});
  REQUIRE(kept);
  CHECK(kept->ports.size() == 1);
  CHECK(kept->endpoints.size() == 1);
  CHECK(!kept->trigger_time);
}

TEST_CASE("translate: endpoints with the same hints share them", "[proxy][translate]") {
  const auto kept = translate(slice("ns1/s", "svc1")
                                  .with(endpoint("10.0.0.1").for_zones({"b"}))
                                  .with(endpoint("10.0.0.2"))
                                  .with(endpoint("10.0.0.3").for_zones({"a"}))
                                  .with(endpoint("10.0.0.4").for_zones({"b"}))
                                  .build(),
                              kOptions)
                        .slice;

  REQUIRE(kept);
  CHECK(kept->hints.size() == 2);
  CHECK(kept->endpoints[0].hints == kept->endpoints[3].hints);
  CHECK(kept->endpoints[1].hints == 0);
  CHECK(kept->hints[kept->endpoints[2].hints - 1].zones.front().view() == "a");
}
