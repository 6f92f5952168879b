#include "bench/page.h"

#include <set>

#include <fmt/format.h>

#include "proxy/text/html.h"

namespace bench {

namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --text: #1c2024; --dim: #667079; --page: #fff; --line: #e0e4e8;
  --legacy: #1668c7; --nft: #b35900; --compact-legacy: #0a8270; --compact-nft: #7b4bc4;
  --programs-legacy: #5a6570; --programs-nft: #6b7a00;
  --programs-compact-legacy: #7a4a2b; --programs-compact-nft: #c2349f;
  --rival: #b3264e; --good: #1a7f37; --bad: #c4212f; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e8ec; --dim: #98a2ad; --page: #14171a;
  --line: #30363c; --legacy: #6cb0ff; --nft: #ffa657; --compact-legacy: #4fd1bb;
  --compact-nft: #c3a0ff; --programs-legacy: #a9b4c0; --programs-nft: #c6d64a;
  --programs-compact-legacy: #d9a77f; --programs-compact-nft: #ff9be8;
  --rival: #ff7a9c; --good: #4cc26a;
  --bad: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--text); background: var(--page);
  max-width: 76rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.1rem; margin-top: 2.2rem; } p { color: var(--dim); }
.plots { display: grid; margin-top: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 1.5rem; }
svg text { font: 11px system-ui, sans-serif; fill: var(--dim); }
svg text.title { font-size: 13px; font-weight: 600; fill: var(--text); }
svg .scale { stroke: var(--line); } polyline { fill: none; stroke-width: 2; }
.legacy { --ink: var(--legacy); } .nft { --ink: var(--nft); }
.compact.legacy { --ink: var(--compact-legacy); } .compact.nft { --ink: var(--compact-nft); }
.programs.legacy { --ink: var(--programs-legacy); } .programs.nft { --ink: var(--programs-nft); }
.programs.compact.legacy { --ink: var(--programs-compact-legacy); }
.programs.compact.nft { --ink: var(--programs-compact-nft); }
.rival.legacy, .rival.nft { --ink: var(--rival); } .bare > :not(text) { opacity: .55; }
g polyline, .spread { stroke: var(--ink); } g circle, g rect { fill: var(--ink); }
svg rect { opacity: .75; } svg .spread { stroke-width: 2; } svg rect + .spread { stroke: var(--text); }
svg text.value { fill: var(--text); }
.bare polyline { stroke-dasharray: 5 4; } .daemon polyline { stroke-dasharray: 9 3; }
.rival.nft polyline { stroke-dasharray: 2 3; }
.mode.nft { --ink: var(--rival); } .mode polyline { stroke-dasharray: 9 3 2 3; }
.key { display: inline-flex; align-items: center; gap: .4rem; margin-right: 1.4rem; }
.key svg { width: 2.2rem; height: .8rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; } td { white-space: nowrap; }
th, td { padding: .3rem .5rem; text-align: right; border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; } th:first-child, td:first-child { text-align: left; }
.met { color: var(--good); } .missed { color: var(--bad); font-weight: 600; }
)";

std::string row_of(const std::vector<std::string>& cells, std::string_view element) {
  std::string html = "<tr>";
  for (const std::string& cell : cells) {
    html += fmt::format("<{0}>{1}</{0}>", element, cell);
  }
  return html + "</tr>\n";
}

}  // namespace

std::string page(std::string_view title, std::string_view about, std::string_view content) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\">"
      "<title>iptproxy: {1}</title><style>{0}</style></head><body>\n<h1>{1}</h1>\n"
      "<p>{2}</p>\n{3}</body></html>\n",
      kStyle,
      proxy::html_escaped(title),
      proxy::html_escaped(about),
      content);
}

std::string legend_of(const std::vector<PlotLine>& lines) {
  std::set<std::string> named;
  std::string html = "<div>";
  for (const PlotLine& line : lines) {
    if (!named.insert(line.name).second) {
      continue;
    }
    html += fmt::format(
        R"(<span class="key"><svg viewBox="0 0 36 12"><g class="{}"><polyline points="0,6 36,6"/>)"
        R"(</g></svg>{}</span>)",
        line.style,
        proxy::html_escaped(line.name));
  }
  return html + "</div>\n";
}

std::string table_of(const std::vector<std::vector<std::string>>& rows) {
  std::string html = R"(<div class="wide"><table>)";
  for (std::size_t i = 0; i < rows.size(); ++i) {
    html += row_of(rows[i], i == 0 ? "th" : "td");
  }
  return html + "</table></div>\n";
}

}  // namespace bench
