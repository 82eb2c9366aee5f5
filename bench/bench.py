#!/usr/bin/env python3
"""Benchmarks that compare: every contender of a case in one run, one after the other and again, as ratios.

    make bench [CASE=codec] [ROUNDS=5] [SHORT=1]

All cases together write docs/performance.md; some of them only print. Absolute figures mean
little on a shared machine: what counts is the ratio to the contender beside, measured in the
same minutes. bench/README.md says how it is done.
"""

import argparse
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cases import CASES  # noqa: E402
from harness import document  # noqa: E402
from harness.case import Options  # noqa: E402
from harness.programs import PROFILE, Broken, ours, python_binding  # noqa: E402
from harness.tables import Table  # noqa: E402


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", metavar="CASE", help=f"which cases of: {', '.join(CASES)}; all if none")
    parser.add_argument("--rounds", type=int, help="how often each contender runs; each case has a number of its own")
    parser.add_argument("--short", action="store_true", help="tiny sizes, to see that everything works; no figure counts")
    options = parser.parse_args()
    if unknown := [name for name in options.case if name not in CASES]:
        parser.error(f"no case {', '.join(unknown)}; there are {', '.join(CASES)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds is {options.rounds} and must be at least 1")

    PROFILE.release = not options.short
    # Ten thousand connections need as many descriptors.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    tables: list[Table] = []
    try:
        print("building; the first time takes some minutes", flush=True)
        ours()
        if not options.case or "python" in options.case:
            python_binding()
        machine = document.Machine.look()
        print(machine.warning(), flush=True)
        begun = time.monotonic()
        for name in options.case or CASES:
            table = Table(name, CASES[name].__doc__ or "")
            print(f"\n## {name}: {table.about}\n", flush=True)
            at = time.monotonic()
            CASES[name](table, Options(options.rounds, options.short))
            table.seconds = time.monotonic() - at
            print(table.markdown(), f"\n\n{table.seconds:.0f} s", flush=True)
            tables.append(table)
    except Broken as why:
        print(why, file=sys.stderr)
        return 2
    if not options.case and not options.short:
        document.write(tables, machine, time.monotonic() - begun)
    missed = [f"{table.case}: {row.figure}" for table in tables for row in table.rows if row.verdict() == "missed"]
    absent = [f"{table.case}: {row.figure}" for table in tables for row in table.rows if row.verdict() == "not run"]
    for what, rows in (("missed", missed), ("not run", absent)):
        if rows:
            print(f"\n{what}:\n  " + "\n  ".join(rows))
    broken = [f"{table.case}: {row.figure}: {row.why}" for table in tables for row in table.rows if row.ours_failed]
    if broken:
        print("\nours did not run:\n  " + "\n  ".join(broken), file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
