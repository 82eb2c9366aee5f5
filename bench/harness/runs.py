"""Running contenders: one after the other and again, each with the machine to itself."""

import json
import os
import statistics
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .programs import Missing

Command = list[str | Path]
Figures = dict[str, float]

# No contender takes as long as this, whatever happens to it.
PATIENCE = 300.0
# The last processor is for what makes the load, the first for what bears it.
CPUS = sorted(os.sched_getaffinity(0))
SERVER, LOAD = [CPUS[0]], [CPUS[-1]]


def lines(command: Command, cpus: list[int] | None = None, seconds: float = PATIENCE) -> list[dict[str, float]]:
    """What a program prints: a line of JSON for each thing it measured."""
    try:
        ended = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=seconds, preexec_fn=pinning(cpus),
            env={**os.environ, "RUST_BACKTRACE": "0"},
        )
    except subprocess.TimeoutExpired:
        raise Missing(f"did not end within {seconds:.0f} s") from None
    if ended.returncode != 0:
        raise Missing(f"ended with {ended.returncode}: {gist(ended.stderr)}")
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def gist(errors: str) -> str:
    """What a program said when it failed, on one line."""
    said = [line.strip() for line in errors.splitlines() if line.strip() and not line.startswith(("note:", "goroutine"))]
    return " / ".join(said[-3:])[:300] or "without a word"


def pinning(cpus: list[int] | None) -> Callable[[], None] | None:
    """What a child does before it runs, to stay on these processors."""
    return (lambda: os.sched_setaffinity(0, cpus)) if cpus else None


class Server:
    """A program that prints where it serves, `{"addr": "HOST:PORT"}`, and does so until its input ends."""

    def __init__(self, process: subprocess.Popen[str], about: dict[str, str]) -> None:
        self.process, self.about = process, about
        self.host, _, self.port = about["addr"].rpartition(":")

    def cpu(self) -> float:
        """Seconds of processor that its threads have used."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def resident(self) -> float:
        """Bytes of memory that it has."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return float(status.partition("VmRSS:")[2].split()[0]) * 1024

    def ask(self, question: str) -> dict[str, float]:
        """Sends it a line and reads its answer, a line of JSON."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(question + "\n")
            self.process.stdin.flush()
            return dict(json.loads(self.process.stdout.readline() or "null") or {})
        except BrokenPipeError:
            raise Missing("it has died") from None


@contextmanager
def serving(command: Command, cpus: list[int] | None = None) -> Iterator[Server]:
    """A server for as long as the block lasts."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=pinning(cpus),
    )
    assert process.stdin and process.stdout and process.stderr
    try:
        first = process.stdout.readline()
        if not first.startswith("{"):
            process.kill()
            raise Missing(f"does not serve: {process.stderr.read()[-300:]}")
        yield Server(process, json.loads(first))
    finally:
        try:
            process.stdin.close()
            process.wait(timeout=20)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            process.kill()
            process.wait()
        process.stdout.close()
        process.stderr.close()


class Samples:
    """What contenders did in each round, and why some did not take part."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}
        self.rounds: dict[str, list[Figures]] = defaultdict(list)

    def of(self, contender: str, figure: str) -> list[float]:
        """A figure of each round; raises `Missing` if the contender did not take part."""
        if contender in self.missing:
            raise Missing(self.missing[contender])
        values = [figures[figure] for figures in self.rounds[contender] if figure in figures]
        if not values:
            raise Missing(f"told no {figure}")
        return values


def interleaved(contenders: Mapping[str, Callable[[], Figures]], rounds: int) -> Samples:
    """Each contender once, then each again. One that fails takes no further part, and it is said why."""
    samples = Samples()
    for number in range(rounds):
        for name, measure in contenders.items():
            if name in samples.missing:
                continue
            note(f"round {number + 1} of {rounds}: {name}")
            try:
                figures = measure()
                samples.rounds[name].append(figures)
            except Missing as why:
                samples.missing[name] = str(why)
                note(f"{name}: {why}", lasting=True)
    note("")
    return samples


def by_figure(told: list[dict[str, float]], value: str) -> Figures:
    """Of lines such as `{"figure": "accept", "ns": 3}` the named value of each."""
    return {str(line["figure"]): line[value] for line in told}


def per_round(ours: list[float], theirs: list[float]) -> list[float]:
    """Ours in parts of theirs, round by round; where rounds are not alike many, by the median of theirs."""
    if len(ours) == len(theirs):
        return [one / other for one, other in zip(ours, theirs, strict=True) if other]
    middle = statistics.median(theirs)
    return [one / middle for one in ours] if middle else []


def note(text: str, lasting: bool = False) -> None:
    """What goes on, on a terminal only; `lasting` always."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}"[:110], end="\n" if lasting else "", file=sys.stderr, flush=True)
    elif lasting:
        print(text, file=sys.stderr, flush=True)
