"""Failure detection."""

from functools import partial

from harness.case import Options
from harness.programs import Missing
from harness.runs import Figures, Samples, interleaved
from harness.tables import Row, Table, at_most, value_at_most

from .clusters import GO, told

NODES, VICTIMS = 50, 3


def detect(table: Table, options: Options) -> None:
    """nodes that end without a goodbye, a second apart, LAN preset"""
    count, victims = options.count(NODES, 6), options.count(VICTIMS, 1)
    cases = Samples()

    def measure(name: str) -> Figures:
        lines = told(name, "detect", count, victims)
        if not lines:
            raise Missing("found nobody dead")
        # Each victim is a case of its own.
        cases.rounds[name] += lines
        return {}

    names = ("ours", GO)
    samples = interleaved({name: partial(measure, name) for name in names}, options.rounds(2))
    cases.missing = samples.missing
    table.add(f"{count} nodes: from the end to the first suspicion", "s", cases, "suspected", peer=GO)
    table.add(f"{count} nodes: from there until all hold it dead", "s", cases, "dead", peer=GO, goal=at_most(1.05))
    table.add(f"{count} nodes: altogether", "s", cases, "whole", peer=GO)
    refuted = [line["refutations"] for line in cases.rounds["ours"]]
    if refuted:
        table.rows.append(Row("live nodes that had to refute a suspicion", "", [max(refuted)], goal=value_at_most(0)))
    table.note(
        "When a node is lost is chance: the last of those that must confirm decides, so the goal allows 5 % over Go's "
        "median. Go's first suspicion is when its log tells of it, ours when a member list shows it."
    )
