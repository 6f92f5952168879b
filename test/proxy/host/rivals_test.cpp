#include "proxy/host/rivals.h"

#include <filesystem>

#include <catch2/catch.hpp>
#include <unistd.h>

#include "proxy/host/file.h"
#include "test/support/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using proxy::is_daemon;
using proxy::Rival;

struct Process {
  std::string number;
  std::string name;
  std::string_view command_line;
  std::string network = "net:[1]";
};

void add(const fs::path& proc, const Process& process) {
  const fs::path folder = proc / process.number;
  fs::create_directories(folder / "ns");
  proxy::write_file((folder / "comm").string(), process.name + "\n");
  proxy::write_file((folder / "cmdline").string(), process.command_line);
  fs::create_symlink(process.network, folder / "ns/net");
}

TEST_CASE("rivals: our daemon is known by its command line", "[proxy][rivals]") {
  using namespace std::string_view_literals;

  CHECK(is_daemon("iptproxy\0"sv));
  CHECK(is_daemon("/usr/bin/iptproxy\0--config=/x\0"sv));
  CHECK(is_daemon("iptproxy\0run\0--source\0x\0"sv));
  CHECK_FALSE(is_daemon("iptproxy\0run\0--once\0-f\0x\0"sv));
  CHECK_FALSE(is_daemon("iptproxy\0check\0"sv));
  CHECK_FALSE(is_daemon("iptproxy\0--cleanup\0"sv));
  CHECK_FALSE(is_daemon("iptproxy\0--validate-config=strict\0"sv));
}

TEST_CASE("rivals: other proxies of this network are found", "[proxy][rivals]") {
  const test::TemporaryFolder folder;
  const fs::path& proc = folder.path();
  using namespace std::string_view_literals;
  add(proc, {"self", "iptproxy", "iptproxy\0"sv});
  add(proc, {std::to_string(getpid()), "iptproxy", "iptproxy\0"sv});
  add(proc, {"41", "iptproxy", "iptproxy\0run\0"sv});
  add(proc, {"42", "iptproxy", "iptproxy\0diff\0"sv});
  add(proc, {"7", "kube-proxy", "/usr/local/bin/kube-proxy\0--config=x\0"sv});
  add(proc, {"8", "kube-proxy", "kube-proxy\0"sv, "net:[2]"});
  add(proc, {"9", "kubelet", "kubelet\0"sv});
  fs::create_directories(proc / "10");  // has ended

  CHECK(proxy::find_rivals(proc.string()) ==
        std::vector<Rival>{{7, "kube-proxy"}, {41, "iptproxy"}});
  CHECK(proxy::find_rivals((proc / "nowhere").string()).empty());
  CHECK(proxy::to_string(Rival{7, "kube-proxy"}) == "kube-proxy (process 7)");
}

}  // namespace
