#!/usr/bin/env python3
"""Runs the programs of the README, exactly as they stand there.

    readme.py COMPILE... -- LINK...     what stands before and behind a C file on the compiler's line

Every block that follows a `<!-- tested: LANGUAGE -->` mark is run; it must end with status 0 and print something.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"<!-- tested: (\w+) -->\n```\w+\n(.*?)```", re.DOTALL)


def command_for(language: str, source: Path, compiler: list[str], link: list[str]) -> list[str]:
    """The command that runs a program; a C program is compiled first."""
    if language == "python":
        return [sys.executable, str(source)]
    program = source.with_suffix("")
    subprocess.run([*compiler, str(source), "-o", str(program), *link], check=True)
    return [str(program)]


def main(arguments: list[str]) -> int:
    split = arguments.index("--")
    compiler, link = arguments[:split], arguments[split + 1 :]
    blocks = BLOCK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    if {language for language, _ in blocks} != {"c", "python"}:
        print(f"the README should hold a C and a Python program, not {blocks}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for language, text in blocks:
            source = Path(folder) / f"readme.{'c' if language == 'c' else 'py'}"
            source.write_text(text, encoding="utf-8")
            command = command_for(language, source, compiler, link)
            run = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=60, check=False)
            if run.returncode != 0 or not run.stdout.strip():
                print(f"the README's {language} program ended with {run.returncode}", file=sys.stderr)
                return 1
            print(f"README, {language}: {run.stdout.strip()}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
