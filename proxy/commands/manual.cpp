#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "proxy/commands/usage.h"
#include "proxy/text/build_info.h"

namespace proxy {

namespace {

/// Text for troff: hyphens that are copied as such, no control characters at the start of a line.
std::string escaped(std::string_view text) {
  std::string result;
  for (const char character : text) {
    if (character == '\\') {
      result += "\\e";
    } else if (character == '-') {
      result += "\\-";
    } else if (character == '`') {
      result += '"';
    } else {
      result += character;
    }
  }
  return result.starts_with('.') || result.starts_with('\'') ? "\\&" + result : result;
}

std::string header(std::string_view name, std::string_view about, std::string_view date) {
  std::string title(name);
  std::ranges::transform(title, title.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return fmt::format(
      ".TH \"{}\" 8 \"{}\" \"iptproxy {}\" \"System administration\"\n.SH NAME\n{} \\- {}\n",
      title,
      date,
      build_info().version,
      escaped(name),
      escaped(about));
}

/// The first sentence or what is before the colon, as NAME wants it.
std::string summary(std::string_view help) {
  std::string text(help.substr(0, help.find_first_of(".:;")));
  if (!text.empty() && text.front() >= 'A' && text.front() <= 'Z') {
    text.front() = static_cast<char>(text.front() - 'A' + 'a');
  }
  return text;
}

std::string option_entry(const OptionUsage& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.names) {
    names.push_back("\\fB" + escaped(name) + "\\fR");
  }
  std::string value;
  if (!option.choices.empty()) {
    value = " " + escaped(fmt::format("{}", fmt::join(option.choices, "|")));
  } else if (!option.value.empty() && option.names.front().starts_with('-')) {
    value = " \\fI" + escaped(option.value) + "\\fR";
  }
  return fmt::format(".TP\n{}{}\n{}\n", fmt::join(names, ", "), value, escaped(option.help));
}

constexpr std::string_view kFiles =
    ".SH FILES\n"
    ".TP\n\\fI/run/xtables.lock\\fR\nThe lock that all programs of iptables on a node share.\n"
    ".TP\n\\fI/etc/iptproxy/\\fR\nWhere the packaged service looks for manifests and options.\n";

constexpr std::string_view kStatus =
    ".SH \"EXIT STATUS\"\n"
    "0 if it did what it was asked to, 2 for bad input, else 1; of \\fBdiff\\fR 0 if nothing would "
    "be "
    "changed, 1 if something would, 2 for an error.\n";

}  // namespace

std::string manual_page(const CommandUsage& command, std::string_view date) {
  const std::string name = "iptproxy-" + command.name;
  std::string page = header(name, summary(command.help), date);
  page += fmt::format(".SH SYNOPSIS\n.B iptproxy {}\n[\\fIoptions\\fR]", command.name);
  for (const OptionUsage& option : command.options) {
    if (!option.names.front().starts_with('-')) {
      page += " [\\fI" + escaped(option.help) + "\\fR]";
    }
  }
  page += fmt::format("\n.SH DESCRIPTION\n{}\n", escaped(command.help));
  std::string group;
  for (const OptionUsage& option : command.options) {
    if (option.group != group) {
      group = option.group;
      page += fmt::format(".SH \"{}\"\n", group == "kube-proxy" ? "FLAGS OF KUBE\\-PROXY" : group);
    }
    page += option_entry(option);
  }
  page += kStatus;
  page += ".SH \"SEE ALSO\"\n\\fBiptproxy\\fR(8), \\fBiptables\\fR(8)\n";
  return page;
}

std::string overview_page(const std::vector<CommandUsage>& commands, std::string_view date) {
  std::string page = header("iptproxy", "replaces kube-proxy in iptables mode", date);
  page +=
      ".SH SYNOPSIS\n.B iptproxy\n[\\fIcommand\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
      "Keeps the Service rules of a node equal to the cluster: the same rules under the same chain "
      "names as kube\\-proxy, which it takes over from and gives back to in place. Options without "
      "a "
      "command mean \\fBrun\\fR.\n.SH COMMANDS\n";
  for (const CommandUsage& command : commands) {
    page += fmt::format(".TP\n\\fBiptproxy\\-{}\\fR(8)\n{}\n", command.name, escaped(command.help));
  }
  page += kFiles;
  page += kStatus;
  page += ".SH \"SEE ALSO\"\n";
  std::vector<std::string> others;
  for (const CommandUsage& command : commands) {
    others.push_back(fmt::format("\\fBiptproxy\\-{}\\fR(8)", command.name));
  }
  page += fmt::format("{}, \\fBiptables\\fR(8)\n", fmt::join(others, ", "));
  return page;
}

}  // namespace proxy
