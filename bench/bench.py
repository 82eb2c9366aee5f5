#!/usr/bin/env python3
"""Benchmarks that compare: every contender of a case in one run, one after the other and again, as ratios.

    make bench [CASE=interface] [ROUNDS=5]

Absolute times mean little on a shared machine; what is told is the median over the rounds, its
spread, and the ratio or difference to the contender named first, measured in the same minutes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
RELEASE = TARGET / "release"
CARGO = os.environ.get("CARGO", "cargo")

Samples = dict[str, dict[str, list[dict[str, float]]]]  # figure, contender, one for each round


def build_rust() -> None:
    subprocess.run(
        [CARGO, "build", "--quiet", "--locked", "--release", "-p", "gossip-ffi", "-p", "gossip-bench"],
        cwd=ROOT,
        check=True,
    )


def build_c(name: str) -> Path:
    """Compiles a program of bench/c against the release library."""
    out = TARGET / "bench" / name
    out.parent.mkdir(parents=True, exist_ok=True)
    library = RELEASE / "libgossip.so"
    soname = subprocess.run(
        ["sh", "-c", f"readelf -d {library} | sed -n 's/.*soname: \\[\\(.*\\)\\]/\\1/p'"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()
    link = out.parent / soname
    link.unlink(missing_ok=True)
    link.symlink_to(library)
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-O2", "-Wall", "-Wextra", f"-I{ROOT}/include",
         f"{ROOT}/bench/c/{name}.c", "-o", out, link, f"-Wl,-rpath,{out.parent}"],
        check=True,
    )
    return out


@contextmanager
def crowd() -> Iterator[str]:
    """The address of a seed that tells of a thousand members."""
    with subprocess.Popen(
        [RELEASE / "gossip-bench", "crowd"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin and process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def figures(command: list[str | Path]) -> Iterator[dict[str, float | str]]:
    """What a contender prints: a line of JSON for each figure."""
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    if output.returncode != 0:
        sys.exit(f"{command} ended with {output.returncode}\n{output.stdout}{output.stderr}")
    for line in output.stdout.splitlines():
        yield json.loads(line)


def collect(contenders: dict[str, list[str | Path]], rounds: int) -> Samples:
    """Runs all contenders, one after the other, `rounds` times."""
    samples: Samples = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name, command in contenders.items():
            for figure in figures(command):
                samples[str(figure.pop("figure"))][name].append(figure)  # type: ignore[arg-type]
    return samples


def spread(values: list[float]) -> str:
    """The median, and the least and largest behind it."""
    return f"{statistics.median(values):.0f} [{min(values):.0f}-{max(values):.0f}]"


def interface(rounds: int) -> bool:
    """The C interface beside the Rust one under it: what it costs by itself."""
    # Of the figures, each for one call or thing: how much the interface may cost, in
    # nanoseconds, and how often it may allocate.
    limits = {"snapshot": (1000.0, None), "member": (1000.0, None), "event": (1000.0, None),
              "accept": (1000.0, 0.0), "broadcast": (1000.0, None)}
    program = build_c("interface")
    with crowd() as seed:
        samples = collect(
            {"rust": [RELEASE / "gossip-bench", "interface", seed], "c": [program, seed]}, rounds
        )
    print("| figure | Rust, ns | C, ns | the interface's own, ns | allocations of the caller | |")
    print("| --- | --- | --- | --- | --- | --- |")
    kept = True
    for figure, (most_ns, most_allocations) in limits.items():
        rust, c = ([sample["ns"] for sample in samples[figure][name]] for name in ("rust", "c"))
        own = statistics.median(c) - statistics.median(rust)
        allocations = max(sample["allocations"] for sample in samples[figure]["c"])
        good = own <= most_ns and (most_allocations is None or allocations <= most_allocations)
        kept &= good
        print(f"| {figure} | {spread(rust)} | {spread(c)} | {own:.0f} | {allocations:g} | {'' if good else 'missed'} |")
    return kept


CASES: dict[str, Callable[[int], bool]] = {"interface": interface}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", choices=[*CASES, []], help="which cases; all if none is named")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contender runs (default 5)")
    options = parser.parse_args()
    build_rust()
    kept = True
    for case in options.case or CASES:
        print(f"\n## {case}: {CASES[case].__doc__}\n", flush=True)
        kept &= CASES[case](options.rounds)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
