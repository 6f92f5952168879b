#include "rules/restore_text.h"

#include <algorithm>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "rules/names.h"

using namespace rules;

namespace {

using Names = std::vector<std::string>;

ServicePortName named(const std::string& service) {
  return {"default", service, "http", Protocol::kTcp};
}

Snapshot cluster(const Names& services) {
  std::vector<ServicePortEntry> entries;
  std::uint8_t number = 1;
  for (const std::string& service : services) {
    ServicePort port{
        .cluster_ip = IpAddress::from_bytes(std::array<std::uint8_t, 4>{10, 96, 0, number}),
        .port = 80};
    port.endpoints.push_back({.address = {*IpAddress::parse("10.244.1.9"), 8080}});
    entries.emplace_back(named(service), std::make_shared<const ServicePort>(port));
    ++number;
  }
  return make_snapshot(Family::kIpv4, std::move(entries));
}

Ruleset compiled(const Names& services) {
  return Compiler().compile(cluster(services), Context{});
}

Installed holding(const Names& services) {
  return Installed{.base = compiled(services)};
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    lines.emplace_back(text.substr(0, text.find('\n')));
    text.remove_prefix(lines.back().size() + 1);
  }
  return lines;
}

std::vector<RestoreBatch> batches(const Changes& changes, const BatchLimits& limits) {
  std::vector<RestoreBatch> all;
  make_batches(changes, Family::kIpv4, limits, [&](const RestoreBatch& batch) {
    all.push_back(batch);
    return true;
  });
  return all;
}

/// Index of the first batch that has the text; -1 if none has.
int batch_with(const std::vector<RestoreBatch>& all, std::string_view text) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].text.find(text) != std::string::npos) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

}  // namespace

TEST_CASE("restore text: an added Service is its chains and one insertion", "[rules][restore]") {
  const Changes changes = diff(holding({"a"}), compiled({"a", "b"}));

  const RestoreBatch batch = make_batch(changes, Family::kIpv4);

  const std::string svc(cluster_policy_chain(named("b")).view());
  const std::string sep(
      endpoint_chain(named("b"), *SocketAddress::parse("10.244.1.9:8080")).view());
  CHECK(batch.text ==
        "*nat\n"
        ":" +
            sep +
            " - [0:0]\n"
            ":" +
            svc +
            " - [0:0]\n"
            "-A " +
            sep +
            " -s 10.244.1.9/32 -m comment --comment \"default/b:http\" -j KUBE-MARK-MASQ\n"
            "-A " +
            sep +
            " -p tcp -m comment --comment \"default/b:http\" -m tcp -j DNAT"
            " --to-destination 10.244.1.9:8080\n"
            "-A " +
            svc + " -m comment --comment \"default/b:http -> 10.244.1.9:8080\" -j " + sep +
            "\n"
            "-I KUBE-SERVICES -d 10.96.0.2/32 -p tcp -m comment --comment \"default/b:http cluster "
            "IP\""
            " -m tcp --dport 80 -j " +
            svc +
            "\n"
            "COMMIT\n");
}

TEST_CASE("restore text: a removed Service loses its entry before its chains", "[rules][restore]") {
  const Changes changes = diff(holding({"a", "b"}), compiled({"a"}));

  const std::vector<std::string> lines = lines_of(make_batch(changes, Family::kIpv4).text);

  const std::string svc(cluster_policy_chain(named("b")).view());
  const std::string sep(
      endpoint_chain(named("b"), *SocketAddress::parse("10.244.1.9:8080")).view());
  REQUIRE(lines.size() == 7);
  CHECK(std::set(lines.begin() + 1, lines.begin() + 3) ==
        std::set{":" + svc + " - [0:0]", ":" + sep + " - [0:0]"});
  CHECK_THAT(lines[3], Catch::StartsWith("-D KUBE-SERVICES -d 10.96.0.2/32"));
  CHECK(std::set(lines.begin() + 4, lines.begin() + 6) == std::set{"-X " + svc, "-X " + sep});
}

TEST_CASE("restore text: insertions end up in the order of the changes", "[rules][restore]") {
  const Changes changes = diff(holding({"a"}), compiled({"a", "b", "c"}));
  const BatchLimits limits = GENERATE(BatchLimits{9, 9, 9}, BatchLimits{1, 1, 1});

  std::vector<std::string> head;  // of KUBE-SERVICES
  for (const RestoreBatch& batch : batches(changes, limits)) {
    for (const std::string& line : lines_of(batch.text)) {
      if (line.starts_with("-I KUBE-SERVICES")) {
        head.insert(head.begin(), line.substr(0, line.find(" -p")));
      }
    }
  }

  CHECK(head == std::vector<std::string>{"-I KUBE-SERVICES -d 10.96.0.2/32",
                                         "-I KUBE-SERVICES -d 10.96.0.3/32"});
}

TEST_CASE("restore text: a line leads to the Service that it was made for", "[rules][restore]") {
  const RestoreBatch batch = make_batch(diff(Installed{}, compiled({"a", "b"})), Family::kIpv4);

  const std::vector<std::string> lines = lines_of(batch.text);
  std::map<std::string, int> found;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CAPTURE(lines[i]);
    const auto service = batch.service_at(i + 1);
    const bool of_a = lines[i].find("default/a:http") != std::string::npos;
    const bool of_b = lines[i].find("default/b:http") != std::string::npos;
    CHECK((service != nullptr) == (of_a || of_b));
    if (service != nullptr) {
      ++found[service->name.service];
      CHECK(service->name.service == (of_a ? "a" : "b"));
    }
  }
  CHECK(found == std::map<std::string, int>{{"a", 4}, {"b", 4}});
  CHECK(batch.service_at(0) == nullptr);
  CHECK(batch.service_at(lines.size() + 1) == nullptr);
}

TEST_CASE("restore text: a cut cold start writes callees first and hooks last",
          "[rules][restore]") {
  const Changes changes = diff(Installed{}, compiled({"a", "b", "c"}));

  const std::vector<RestoreBatch> all = batches(changes, {2, 2, 2});

  CHECK(batch_with(all, ":KUBE-MARK-MASQ") == 0);
  CHECK(batch_with(all, "-N KUBE-PROXY-CANARY") == 0);
  CHECK(batch_with(all, "default/a:http") == 1);
  CHECK(batch_with(all, "default/c:http") == 2);
  CHECK(batch_with(all, ":KUBE-NODEPORTS") > 2);
  CHECK(batch_with(all, "*nat\n:KUBE-SERVICES") > batch_with(all, ":KUBE-NODEPORTS"));
  CHECK(batch_with(all, "-A KUBE-SERVICES -d 10.96.0.3/32") >
        batch_with(all, "-A KUBE-SERVICES -d 10.96.0.1/32"));
  CHECK(batch_with(all, "-I PREROUTING") == static_cast<int>(all.size()) - 1);
}

TEST_CASE("restore text: a shared chain that packets pass is rewritten in one piece",
          "[rules][restore]") {
  Installed have;  // read back: no belief, hence the shared chains are rewritten
  have.hooks = compiled({"a"}).base()->hooks;

  const std::vector<RestoreBatch> all = batches(diff(have, compiled({"a", "b", "c"})), {1, 1, 1});

  const int services = batch_with(all, "*nat\n:KUBE-SERVICES");
  REQUIRE(services >= 0);
  for (const char* address : {"10.96.0.1/32", "10.96.0.2/32", "10.96.0.3/32"}) {
    CHECK(batch_with(all, std::string("-A KUBE-SERVICES -d ") + address) == services);
  }
}

TEST_CASE("restore text: clean-up flushes all chains before it removes one, whoever calls whom",
          "[rules][restore]") {
  const Installed have = holding({"a", "b"});
  const Changes changes = diff(have, Ruleset());
  REQUIRE(changes.remove.size() > 5);

  const std::vector<RestoreBatch> all = batches(changes, {1, 1, 1});

  CHECK(batch_with(all, "-D PREROUTING") == 0);
  int last_flush = 0;
  int first_removal = static_cast<int>(all.size());
  for (const ChainId& chain : changes.remove) {
    const std::string table = "*" + std::string(to_string(chain.table)) + "\n";
    const std::string name(chain.name.view());
    const int flush = batch_with(all, table + ":" + name + " - [0:0]");
    const int removal = batch_with(all, table + "-X " + name + "\n");
    CAPTURE(name);
    REQUIRE(flush > 0);
    REQUIRE(removal > 0);
    last_flush = std::max(last_flush, flush);
    first_removal = std::min(first_removal, removal);
  }
  CHECK(last_flush < first_removal);
}

TEST_CASE("restore text: nothing follows a batch that was refused", "[rules][restore]") {
  int calls = 0;
  make_batches(
      diff(Installed{}, compiled({"a", "b"})), Family::kIpv4, {1, 1, 1}, [&](const RestoreBatch&) {
        return ++calls < 2;
      });

  CHECK(calls == 2);
}
