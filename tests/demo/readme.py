#!/usr/bin/env python3
"""Runs the programs of the README, exactly as they stand there.

    readme.py COMPILE_C... -- COMPILE_CPP... -- LINK...     what stands before and behind a file on a compiler's line

Every block that follows a `<!-- tested: LANGUAGE -->` mark is run; it must end with status 0 and print something.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUFFIX = {"c": "c", "cpp": "cpp", "python": "py"}
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def split(arguments: list[str]) -> list[list[str]]:
    """What stands between the `--`."""
    parts: list[list[str]] = [[]]
    for argument in arguments:
        if argument == "--":
            parts.append([])
        else:
            parts[-1].append(argument)
    return parts


def command_for(language: str, source: Path, compilers: dict[str, list[str]], link: list[str]) -> list[str]:
    """The command that runs a program; one in C or C++ is compiled first."""
    if language == "python":
        return [sys.executable, str(source)]
    program = source.with_suffix("")
    subprocess.run([*compilers[language], str(source), "-o", str(program), *link], check=True)
    return [str(program)]


def main(arguments: list[str]) -> int:
    c, cpp, link = split(arguments)
    compilers = {"c": c, "cpp": cpp}
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    if {language for language, _ in blocks} != {"c", "cpp", "python"}:
        print(f"the README should hold a C, a C++ and a Python program, not {blocks}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for language, text in blocks:
            tool = compilers.get(language, [sys.executable])[0]
            if shutil.which(tool) is None:
                print(f"SKIPPED: no {tool}; the README's {language} program is not shown", file=sys.stderr)
                if os.environ.get("CI"):
                    return 1
                continue
            source = Path(folder) / f"readme.{SUFFIX[language]}"
            source.write_text(text, encoding="utf-8")
            command = command_for(language, source, compilers, link)
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
            if run.returncode != 0 or not run.stdout.strip():
                print(f"the README's {language} program ended with {run.returncode}", file=sys.stderr)
                return 1
            print(f"README, {language}: {run.stdout.strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
