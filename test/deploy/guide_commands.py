"""Prints commands of a page of the guide, with a zero byte behind each: guide_commands.py PAGE REGEX

A command is what begins at a line of an indented or fenced block and is complete for bash; those are meant that REGEX
matches from their start. NODE and REGISTRY are replaced by names.
"""

import re
import subprocess
import sys

NAMES = {"NODE": "k8s-worker1", "REGISTRY": "registry.test"}


def is_complete(text):
    return not text.endswith("\\") and subprocess.run(["bash", "-n"], input=text, text=True,
                                                      stderr=subprocess.DEVNULL).returncode == 0


def commands_of(page):
    for block in re.findall(r"^```\n(.*?)^```", page, re.MULTILINE | re.DOTALL):
        command = ""
        for line in block.splitlines():
            command += ("\n" if command else "") + line
            if is_complete(command):
                yield command
                command = ""


def main(page, wanted):
    found = [command for command in commands_of(open(page).read()) if re.match(wanted, command)]
    if not found:
        raise SystemExit(f"{page} has no command like {wanted}")
    for command in found:
        for word, name in NAMES.items():
            command = re.sub(rf"\b{word}\b", name, command)
        print(command, end="\0")


if __name__ == "__main__":
    main(*sys.argv[1:])
