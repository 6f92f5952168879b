#!/usr/bin/env python3
"""`.ci/run sizes`: no file of 400 lines or more, no function of 50 or more, none with more than four parameters.

    test/sizes.py FOLDER     judges the C++ sources of rules/, k8sclient/, proxy/, bench/ and test/ below it

It leans on the form that clang-format gives them (`.ci/run` checks that first): a function's body opens on a line
that ends in ` {` and is closed by a `}` with the indentation of the function's first line. What a test case checks
may be longer; it is data and steps, and it is read from the top.
"""

import pathlib
import re
import sys

FOLDERS = ("rules", "k8sclient", "proxy", "bench", "test")
MOST_FILE_LINES = 399
MOST_FUNCTION_LINES = 49
MOST_PARAMETERS = 4

# Not functions, though they open braces.
SCOPE = re.compile(r"\s*(namespace|struct|class|enum|union|extern|template <.*> (struct|class)|TEST_CASE|SECTION)\b")
STATEMENT = re.compile(r"\s*(if|for|while|switch|else|do|try|catch|return|case|default)\b")
NAME = re.compile(r"([~\w]+|operator[^\s(]+|operator\(\))\s*$")
AFTER_PARAMETERS = re.compile(r"\s*((const|noexcept|override|final|&&?)\s*)*(->[^{]*|requires[^{]*|: .*)?\{$")

# Signatures that are not ours to choose.
GIVEN = {"free_policy": "OpenSSL's CRYPTO_EX_free"}


def outside_text(line):
    """The line without string and character literals, and without its comment."""
    line = re.sub(r'"(\\.|[^"\\])*"', '""', line)
    line = re.sub(r"'(\\.|[^'\\])'", "''", line)
    return re.sub(r"//.*", "", line)


def parameters(signature):
    """How many parameters a signature has, or None if it is none."""
    start = signature.find("(")
    if start <= 0 or not NAME.search(signature[:start]) or "=" in signature[:start].replace("operator=", ""):
        return None
    depth, count, empty = 0, 1, True
    for at, char in enumerate(signature[start:], start):
        if char in "(<[{" and not signature[at - 1 : at + 1] == "->":
            depth += 1
        elif char in ")>]}" and not signature[at - 1 : at + 1] == "->":
            depth -= 1
            if depth == 0:
                if not AFTER_PARAMETERS.fullmatch(signature[at + 1 :]):
                    return None
                return 0 if empty else count
        elif depth == 1:
            count += char == ","
            empty = empty and char.isspace()
        if depth > 1:
            empty = False
    return None


def indentation(line):
    return len(line) - len(line.lstrip())


def functions(lines):
    """(name, first line, number of lines, parameters) of each function with a body, lambdas left out."""
    plain = [outside_text(line) for line in lines]
    for end_of_head, line in enumerate(plain):
        if not line.rstrip().endswith("{") or SCOPE.match(line) or STATEMENT.match(line):
            continue
        first = end_of_head
        # A wrapped signature: its first line is the last one that is not indented deeper than a scope's.
        while first > 0 and plain[first - 1].strip() and not re.search(r"[;{}:]\s*$", plain[first - 1]):
            first -= 1
        indent = indentation(plain[first])
        if re.match(r"\s*((: )?\w+_[({]|})", plain[first]):  # among a constructor's initializers: its head is above
            while first > 0 and indentation(plain[first]) > max(indent - 6, 2):
                first -= 1
            indent = indentation(plain[first])
        head = " ".join(part.strip() for part in plain[first : end_of_head + 1])
        head = re.sub(r"^(template <[^()]*> )", "", head)
        if SCOPE.match(head) or STATEMENT.match(head):
            continue
        count = parameters(head)
        if count is None or re.search(r"[,=(\[]\s*$", head[:-1].rstrip()) or "[" in head.split("(")[0]:
            continue
        closing = " " * indent + "}"
        for end in range(end_of_head + 1, len(plain)):
            if plain[end].rstrip() == closing:
                name = NAME.search(head[: head.find("(")]).group(1)
                yield name, first + 1, end - first + 1, count
                break


def judge(folder):
    """The findings, one line each."""
    judged = 0
    for top in FOLDERS:
        for path in sorted((folder / top).rglob("*")):
            if path.suffix not in (".h", ".cpp") or not path.is_file():
                continue
            lines = path.read_text().splitlines()
            place = path.relative_to(folder)
            if len(lines) > MOST_FILE_LINES:
                yield f"{place}: {len(lines)} lines"
            for name, line, length, count in functions(lines):
                judged += 1
                if length > MOST_FUNCTION_LINES:
                    yield f"{place}:{line}: {name} has {length} lines"
                if count > MOST_PARAMETERS and name not in GIVEN:
                    yield f"{place}:{line}: {name} has {count} parameters"
    if judged < 1000:
        yield f"only {judged} functions found: the search is broken"


findings = list(judge(pathlib.Path(sys.argv[1])))
print("\n".join(findings) or "sizes are kept")
sys.exit(1 if findings else 0)
