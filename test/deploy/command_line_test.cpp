#include <algorithm>
#include <filesystem>
#include <regex>
#include <set>
#include <string>

#include <catch2/catch.hpp>

#include "proxy/host/file.h"
#include "proxy/host/process.h"
#include "test/support/paths.h"
#include "test/support/skip.h"
#include "test/support/temporary_folder.h"

// What is generated for a package against what the program says of itself, and the names by which
// an image's users start it.

using proxy::ProcessResult;

namespace {

const std::set<std::string> kCommands{
    "run", "render", "diff", "explain", "status", "check", "cleanup"};

std::string iptproxy(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), test::program_path());
  const ProcessResult result = proxy::run({.argv = arguments, .input = {}});
  INFO(result.error);
  REQUIRE(result.status == 0);
  return result.output;
}

std::set<std::string> found(const std::string& text, const std::string& pattern) {
  std::set<std::string> all;
  const std::regex expression(pattern);
  for (auto at = std::sregex_iterator(text.begin(), text.end(), expression);
       at != std::sregex_iterator();
       ++at) {
    all.insert((*at)[1]);
  }
  return all;
}

/// Long and short options at the start of the lines of --help.
std::set<std::string> options_in_help(const std::string& command) {
  std::set<std::string> options;
  for (const std::string& names :
       found(iptproxy({command, "--help"}), "\n  (-[-a-z0-9,]+)(?=[ ={\n])")) {
    options.merge(found(names, "(-[-a-z0-9]+)"));
  }
  return options;
}

/// What bash offers at the end of "iptproxy COMMAND ...".
std::set<std::string> offered_by_bash(const std::string& words) {
  const test::TemporaryFolder folder;
  const auto script = folder.write("completion", iptproxy({"completion", "bash"}));
  const ProcessResult result = proxy::run(
      {.argv = {"bash",
                "-c",
                "source \"$1\"; eval \"COMP_WORDS=($2)\"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); "
                "_iptproxy; printf '%s\\n' \"${COMPREPLY[@]}\"",
                "bash",
                script,
                "iptproxy " + words},
       .input = {}});
  INFO(result.error);
  REQUIRE(result.status == 0);
  return found(result.output, "([^\n]+)\n");
}

}  // namespace

TEST_CASE("command line: completions and manual pages have the options of --help and no others",
          "[deploy]") {
  const std::string command = GENERATE(from_range(kCommands.begin(), kCommands.end()));
  CAPTURE(command);
  const auto options = options_in_help(command);
  REQUIRE(options.size() > 30);

  CHECK(offered_by_bash(command + " -") == options);

  auto manual = iptproxy({"man", command});
  manual.erase(std::remove(manual.begin(), manual.end(), '\\'), manual.end());
  std::set<std::string> in_manual;
  for (const std::string& names : found(manual, "\n.TP\n([^\n]*)")) {
    in_manual.merge(found(names, "fB(-[-a-z0-9]+)fR"));
  }
  CHECK(in_manual == options);

  const std::string zsh = iptproxy({"completion", "zsh"});
  const auto begin = zsh.find("\n  " + command + ")\n");
  const std::string branch = zsh.substr(begin, zsh.find(";;", begin) - begin);
  CHECK(found(branch, "'\\*(-[-a-z0-9]+)=?\\[") == options);

  std::set<std::string> in_fish;
  for (const std::string& line :
       found(iptproxy({"completion", "fish"}),
             "\ncomplete -c iptproxy -n '[^']*__fish_seen_subcommand_from " + command +
                 "'([^\n]*)")) {
    for (const std::string& name : found(line, " -l ([-a-z0-9]+)")) {
      in_fish.insert("--" + name);
    }
    for (const std::string& name : found(line, " -s ([a-z])")) {
      in_fish.insert("-" + name);
    }
  }
  CHECK(in_fish == options);
}

TEST_CASE("command line: bash completes commands, values and nothing behind a free text",
          "[deploy]") {
  CHECK(offered_by_bash("''") == kCommands);
  CHECK(offered_by_bash("diff --family ''") == std::set<std::string>{"ipv4", "ipv6"});
  CHECK(offered_by_bash("explain -o ''") == std::set<std::string>{"text", "json", "dot"});
  CHECK(offered_by_bash("render --iptables-backend ''").empty());
}

TEST_CASE("command line: manual pages are without fault", "[deploy]") {
  if (proxy::run({.argv = {"sh", "-c", "command -v groff"}, .input = {}}).status != 0) {
    test::skip("groff is not installed");
  }
  for (const std::string& page : {iptproxy({"man"}), iptproxy({"man", "explain"})}) {
    const ProcessResult result =
        proxy::run({.argv = {"groff", "-man", "-Tutf8", "-ww", "-z"}, .input = page});
    CHECK(result.status == 0);
    CHECK(result.error.empty());
  }
}

TEST_CASE("command line: by the name kube-proxy it is the daemon with kube-proxy's flags",
          "[deploy]") {
  const test::TemporaryFolder folder;
  std::filesystem::create_symlink(test::program_path(), folder.path() / "kube-proxy");

  const ProcessResult result = proxy::run(
      {.argv = {folder.path() / "kube-proxy",
                "--config=" + (test::source_folder() / "test/deploy/kubeadm-config.conf").string(),
                "--hostname-override=node-1",
                "--validate-config"},
       .input = {}});

  INFO(result.error);
  CHECK(result.status == 0);
}

TEST_CASE("command line: by the name go-runner it writes a program's output to a file, too",
          "[deploy]") {
  const test::TemporaryFolder folder;
  std::filesystem::create_symlink(test::program_path(), folder.path() / "go-runner");
  const std::string log = folder.path() / "log";
  const auto run = [&](std::vector<std::string> flags, const std::string& script) {
    std::vector<std::string> argv{folder.path() / "go-runner", "--log-file=" + log};
    argv.insert(argv.end(), flags.begin(), flags.end());
    argv.insert(argv.end(), {"sh", "-c", script});
    return proxy::run({.argv = argv, .input = {}});
  };

  const auto both = run({"--also-stdout"}, "echo out; echo error >&2; exit 3");
  CHECK(both.status == 3);
  CHECK(both.output == "out\nerror\n");
  CHECK(proxy::read_file(log) == "out\nerror\n");

  const auto file_only = run({}, "echo more");
  CHECK(file_only.status == 0);
  CHECK(file_only.output.empty());
  CHECK(proxy::read_file(log) == "out\nerror\nmore\n");

  const auto signalled =
      run({"--also-stdout"},
          "trap 'echo ended; exit 4' TERM; kill $PPID; while :; do sleep 0.01; done");
  CHECK(signalled.status == 4);
  CHECK(signalled.output == "ended\n");
}
