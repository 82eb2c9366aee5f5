#!/usr/bin/env python3
"""Runs the C and C++ examples that were built into the folders `c` and `cpp` of a folder: examples.py FOLDER

Each is given what it needs to come to an end by itself; without an entry below it is run alone, with nothing to read.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Arguments and standard input.
NEEDS: dict[str, tuple[list[str], str]] = {
    "hello": (["ada", "0"], "\n"),
    "demo_node": (["ada"], "members\nquit\n"),
    "metrics": (["0"], "\n"),
    "chat": (["ada", "0"], "hello\n"),
    "pool": (["ada", "0"], "hello\n/quit\n"),
}


def sources() -> list[Path]:
    """Every example in C and C++."""
    return sorted([*(ROOT / "examples/c").glob("*.c"), *(ROOT / "examples/cpp").glob("*.cpp")])


def run(program: Path, environment: dict[str, str] | None = None) -> None:
    """Runs an example, which must end well."""
    arguments, text = NEEDS.get(program.name, ([], ""))
    ended = subprocess.run(
        [str(program), *arguments], input=text, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    explained = ended.returncode == 2 and "usage" in ended.stderr
    if ended.returncode != 0 and not (explained and program.name not in NEEDS):
        raise AssertionError(f"{program.name} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}")


def main(folder: Path) -> None:
    """Runs every example of the folder."""
    for source in sources():
        run(folder / source.parent.name / source.stem)
        print(f"{source.name} ran")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
