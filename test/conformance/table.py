#!/usr/bin/env python3
"""The e2e titles of Kubernetes about networking, and the tests that show them.

    test/conformance/table.py            writes README.md anew
    test/conformance/table.py --check    fails if it would differ, if a title is shown by no test, or if a test names
                                         a title that does not exist or is none of the proxy's business

A test says what it shows in comment lines over its TEST_CASE: `// e2e: service.go:1095 networking.go:471`. The titles
are in titles.txt, one a line: place in kubernetes/test/e2e/network, "C" for conformance, why it is not the proxy's
business ("-" if it is), and the title.
"""

import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent
TESTS = HERE.parent

# How a test runs, by the function in its body that says it.
SETUPS = {
    "in_every_setup()": "legacy, nft; both layouts; in process, restore",
    "in_each_setup()": "legacy, nft; both layouts",
    "in_each_variant()": "legacy, nft",
}

CASE = re.compile(r'((?:^// e2e: .*\n)+)^TEST_CASE\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', re.MULTILINE)


def read_titles():
    titles = {}
    for line in (HERE / "titles.txt").read_text().splitlines():
        place, kind, why_not, title = line.split("|", 3)
        titles[place] = (kind == "C", why_not, title)
    return titles


def state(path, body):
    for function, text in SETUPS.items():
        if function in body:
            return text
    return "the kernel" if path.parts[0] == "netns" else "rules and units"


def read_tests():
    """Of each place the tests that show it: name, file, state."""
    tests = {}
    for path in sorted(TESTS.rglob("*.cpp")):
        text = path.read_text()
        cases = list(CASE.finditer(text))
        for case in cases:
            name = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', case.group(2)))
            end = text.find("\nTEST_CASE(", case.end())
            shown = path.relative_to(TESTS)
            entry = (name, shown, state(shown, text[case.end() : end if end > 0 else len(text)]))
            for place in re.findall(r"\S+\.go:\d+", case.group(1)):
                tests.setdefault(place, []).append(entry)
    return tests


def faults(titles, tests):
    for place, (_, why_not, title) in titles.items():
        if why_not == "-" and place not in tests:
            yield f"no test shows {place}: {title}"
        if why_not != "-" and place in tests:
            yield f"{tests[place][0][1]} shows {place}, which titles.txt calls none of the proxy's business"
    for place in tests.keys() - titles.keys():
        yield f"{tests[place][0][1]} names {place}, which titles.txt does not have"


def readme(titles, tests):
    ours = {place: entry for place, entry in titles.items() if entry[1] == "-"}
    lines = [
        "# Conformance",
        "",
        "Written by `test/conformance/table.py` from the tests; CTest `conformance_table` fails when it is stale or a title",
        f"is shown by no test. Kubernetes 1.36.2 has {len(titles)} e2e titles about networking; {len(ours)} of them depend on the",
        "proxy. C marks what is part of conformance. With real packets means: three nodes with their own proxies",
        "([the lab](../README.md#the-lab)), both IP families.",
        "",
        "| title | | e2e/network | shown by | on |",
        "|---|---|---|---|---|",
    ]
    for place, (conformance, _, title) in ours.items():
        shown = tests.get(place, [])
        names = "<br>".join(f"`{name}` ({path})" for name, path, _ in shown)
        states = "<br>".join(text for _, _, text in shown)
        lines.append(f"| {title} | {'C' if conformance else ''} | {place} | {names} | {states} |")
    lines += ["", "Not the proxy's business:", "", "| title | e2e/network | whose |", "|---|---|---|"]
    for place, (_, why_not, title) in titles.items():
        if why_not != "-":
            lines.append(f"| {title} | {place} | {why_not} |")
    return "\n".join(lines) + "\n"


def main():
    titles, tests = read_titles(), read_tests()
    found = list(faults(titles, tests))
    text = readme(titles, tests)
    target = HERE / "README.md"
    if "--check" in sys.argv[1:]:
        if not target.exists() or target.read_text() != text:
            found.append("README.md is stale: run test/conformance/table.py")
    else:
        target.write_text(text)
    for fault in found:
        print(fault)
    return 1 if found else 0


sys.exit(main())
