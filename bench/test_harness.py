#!/usr/bin/env python3
"""Tests of the tables and pictures: python3 bench/test_harness.py."""

import sys
import unittest
import xml.dom.minidom
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from cases import CASES  # noqa: E402
from harness import document, plot  # noqa: E402
from harness.programs import Missing  # noqa: E402
from harness.runs import Figures, interleaved  # noqa: E402
from harness.tables import Table, at_least, at_most, number, value_at_most  # noqa: E402


def absent() -> Figures:
    raise Missing("no Go toolchain")


class Rounds(unittest.TestCase):
    def test_contenders_take_turns(self) -> None:
        order: list[str] = []

        def turn(name: str) -> Figures:
            order.append(name)
            return {"rate": float(len(order))}

        samples = interleaved({"a": lambda: turn("a"), "b": lambda: turn("b")}, 2)
        self.assertEqual(order, ["a", "b", "a", "b"])
        self.assertEqual(samples.of("b", "rate"), [2.0, 4.0])

    def test_one_that_fails_is_asked_no_more(self) -> None:
        calls: list[int] = []

        def fails() -> Figures:
            calls.append(1)
            return absent()

        samples = interleaved({"a": fails}, 3)
        self.assertEqual(len(calls), 1)
        self.assertEqual(dict(samples.rounds), {})
        with self.assertRaisesRegex(Missing, "no Go toolchain"):
            samples.of("a", "rate")


class Tables(unittest.TestCase):
    def setUp(self) -> None:
        ours, theirs = iter([10.0, 30.0, 20.0]), iter([10.0, 10.0, 10.0])
        self.samples = interleaved(
            {"ours": lambda: {"rate": next(ours)}, "Go": lambda: {"rate": next(theirs)}, "foca": absent}, 3
        )
        self.table = Table("case", "about")

    def verdict(self, **more: object) -> str:
        self.table.add("rate", "/s", self.samples, "rate", **more)  # type: ignore[arg-type]
        return self.table.rows[-1].verdict()

    def test_ratio_is_the_median_over_the_rounds_with_its_spread(self) -> None:
        self.verdict(peer="Go", goal=at_least(2))
        self.assertIn("| 2 [1–3] | ≥ 2 × | met |", self.table.markdown())

    def test_goals_are_judged_by_the_median(self) -> None:
        self.assertEqual(self.verdict(peer="Go", goal=at_least(2)), "met")
        self.assertEqual(self.verdict(peer="Go", goal=at_least(2.1)), "missed")
        self.assertEqual(self.verdict(peer="Go", goal=at_most(1.9)), "missed")
        self.assertEqual(self.verdict(goal=value_at_most(20)), "met")
        self.assertEqual(self.verdict(goal=value_at_most(19)), "missed")
        self.assertEqual(self.verdict(peer="Go"), "")

    def test_a_missing_peer_is_a_row_that_says_why(self) -> None:
        self.assertEqual(self.verdict(peer="foca", goal=at_least(2)), "not run")
        self.assertIn("| not run: foca: no Go toolchain |", self.table.markdown())
        self.assertFalse(self.table.rows[-1].ours_failed)

    def test_ours_missing_is_a_failure(self) -> None:
        self.table.add("rate", "/s", self.samples, "rate", ours="foca", peer="Go", goal=at_least(2))
        self.assertTrue(self.table.rows[-1].ours_failed)
        self.assertEqual(self.table.rows[-1].verdict(), "not run")

    def test_a_goal_that_needs_no_peer_is_judged_without(self) -> None:
        self.assertEqual(self.verdict(peer="foca", goal=value_at_most(20)), "met")
        self.assertIn("foca: no Go toolchain", self.table.markdown())

    def test_numbers_have_three_digits(self) -> None:
        shown = [number(value) for value in (0.0, 0.00123, 0.126, 1.234, 12.0, 123.4, 1234567.0)]
        self.assertEqual(shown, ["0", "0.0012", "0.126", "1.23", "12", "123", "1 234 567"])


class Documents(unittest.TestCase):
    def test_document_counts_verdicts_and_warns_of_a_busy_machine(self) -> None:
        table = Table("case", "about")
        samples = interleaved({"ours": lambda: {"rate": 1.0}, "Go": absent}, 1)
        table.add("rate", "/s", samples, "rate", peer="Go", goal=at_least(1))
        text = document.text([table], document.Machine(1.5, 2, "a machine"), 60)
        self.assertIn("0 met, 0 missed, 1 not run", text)
        self.assertIn("not idle", text)
        self.assertNotIn("not idle", document.text([table], document.Machine(0.1, 2, "a machine"), 60))

    def test_pictures_are_well_formed(self) -> None:
        for picture in (
            plot.lines("a & b", "members", {"<ours>": [(100, 1.0), (1000, 2.0)], "none": [(100, 0.0)]}),
            plot.lines("nothing", "members", {}),
            plot.bars("goals", {"a": (2.0, True), "b": (0.1, False)}),
        ):
            xml.dom.minidom.parseString(picture)

    def test_every_case_says_what_it_is_about(self) -> None:
        for name, case in CASES.items():
            self.assertTrue(case.__doc__, name)


if __name__ == "__main__":
    unittest.main()
