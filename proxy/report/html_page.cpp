#include "proxy/report/html_page.h"

#include <fmt/format.h>

#include "proxy/text/html.h"

namespace proxy {

namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1c1c1c; --quiet: #595959; --line: #d0d0d0;
  --link: #0b57d0; --good: #146c3a; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #17191c; --ink: #ececec; --quiet: #b0b0b0;
  --line: #4a4a4a; --link: #8ab4f8; --good: #6ddc9a; --bad: #ff9a90; } }
body { font: 15px/1.45 system-ui, sans-serif; background: var(--paper); color: var(--ink);
  max-width: 90rem; margin: 1rem auto; padding: 0 1rem; }
a { color: var(--link); } h1 { font-size: 1.3rem; margin: .3rem 0; }
h2 { font-size: 1.05rem; margin: 1rem 0 .3rem; } p { margin: .3rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
tbody th { font-weight: normal; } .number { text-align: right; font-variant-numeric: tabular-nums; }
code, .text { font-size: .92em; } .text { font-family: monospace; line-height: 1.35; margin: .8rem 0; }
.text div { white-space: pre-wrap; overflow-wrap: anywhere; padding-left: 11ch; text-indent: -11ch; min-height: 1.35em; }
th, td, li { overflow-wrap: anywhere; } .number { overflow-wrap: normal; } .cards th:first-child { min-width: 14rem; }
.quiet { color: var(--quiet); } .good { color: var(--good); } .bad { color: var(--bad); font-weight: 600; }
.verdict { font-size: 1.1rem; }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) 20rem; gap: 0 2rem; }
.plot { width: 100%; } .plot text { font-size: 18px; fill: var(--quiet); }
.plot .scale { stroke: var(--line); } .plot .applied { fill: var(--good); }
.plot .unchanged { fill: var(--quiet); } .plot .failed { fill: var(--bad); }
ul.plain { margin: 0; padding: 0; list-style: none; } nav { margin: .5rem 0; }
input, select, button { font: inherit; padding: .25rem .5rem; max-width: 100%; box-sizing: border-box; }
form p { margin: .3rem 0; } input[type=search] { width: 18rem; } .ask label { display: inline-block; width: 3rem; } .ask input { width: 15rem; }
@media (max-width: 60rem) { .columns { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 40rem) { .cards thead { display: none; } .cards, .cards tbody, .cards tr, .cards td,
  .cards th { display: block; border: 0; padding: .1rem 0; text-align: left; }
  .cards tr { border-bottom: 1px solid var(--line); padding: .4rem 0; }
  .cards td[data-label]::before { content: attr(data-label) ": "; color: var(--quiet); } }
)";

}  // namespace

Response html_page(const PageHead& head, std::string_view body) {
  const std::string refresh =
      head.refresh_seconds == 0
          ? ""
          : fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">", head.refresh_seconds);
  return {.headers = {{"Content-Type", "text/html; charset=utf-8"},
                      {"Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
                       "base-uri 'none'; frame-ancestors 'none'"},
                      {"Cache-Control", "no-store"}},
          .body = fmt::format(
              "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
              "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">{}"
              "<title>{}</title><style>{}</style></head><body>\n{}</body></html>\n",
              refresh,
              html_escaped(head.title),
              kStyle,
              body)};
}

}  // namespace proxy
