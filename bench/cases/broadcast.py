"""Broadcasts."""

from functools import partial

from harness.case import Options
from harness.programs import Missing
from harness.runs import Figures, Samples, interleaved, note
from harness.tables import Row, Table, at_least, at_most, value_at_least

from .clusters import FOCA, GO, told

ALL, TIMES = 200, 6
NODES = 50
RATES = (20, 30, 40, 50, 60, 80, 100, 150, 200, 400, 800)
MULTIPLES = (5, 10, 20, 40)


def broadcast(table: Table, options: Options) -> None:
    """100 bytes to everybody, LAN preset, so the same gossip interval"""
    single(table, options)
    sustained(table, options)
    table.note(
        "memberlist passes a message on only if its receivers put it into their queues again, as Go's do here; ours "
        "relay by themselves."
    )


def single(table: Table, options: Options) -> None:
    """One message, until the last has it."""
    count, times = options.count(ALL, 5), options.count(TIMES, 2)
    cases = Samples()

    def measure(name: str) -> Figures:
        cases.rounds[name] += told(name, "broadcast", count, times)
        return {}

    names = ("ours", GO, FOCA)
    samples = interleaved({name: partial(measure, name) for name in names}, options.rounds(1))
    cases.missing = samples.missing
    table.add(f"one message, until all of {count} have it", "s", cases, "seconds", peer=GO, goal=at_most(1))
    table.add(f"one message, until all of {count} have it", "s", cases, "seconds", peer=FOCA)
    for name, rounds in cases.rounds.items():
        if lost := sum(1 for round_ in rounds if not round_["complete"]):
            table.note(f"{lost} of {len(rounds)} single messages of {name} did not reach all within 5 s.")


def sustained(table: Table, options: Options) -> None:
    """The rate at which Go's queue begins to grow, and how much more ours bears."""
    span = options.of(6, 1)
    count = options.count(NODES, 5)
    figure = f"messages in a second that {count} nodes bear"
    try:
        limit = float(limit_of_go(count, span, RATES if not options.short else (20,)))
    except Missing as why:
        table.rows.append(Row(figure, "/s", [], GO, goal=at_least(5), why=f"{GO}: {why}"))
        return
    borne, delivered = 0.0, 0.0
    for multiple in MULTIPLES if not options.short else (5,):
        note(f"ours at {multiple * limit:.0f} messages a second")
        try:
            told_ = told("ours", "sustained", count, multiple * limit, span)[0]
        except Missing as why:
            table.rows.append(Row(figure, "/s", [], GO, goal=at_least(5), why=f"ours: {why}", ours_failed=True))
            return
        if multiple == MULTIPLES[0]:
            delivered = told_["delivered"]
        if told_["delivered"] < 1 or told_["behind"] > 2 or told_["rate"] < 0.95 * multiple * limit:
            break
        borne = multiple * limit
    table.rows.append(Row(figure, "/s", [borne], GO, [limit], at_least(5)))
    table.rows.append(Row(f"delivered, at {MULTIPLES[0]} times Go's rate", "", [delivered], goal=value_at_least(1)))
    table.note(
        f"Go bears a rate while no queue holds more than what is sent in two seconds (tried: {', '.join(map(str, RATES))}); "
        f"ours while every message has reached every member two seconds after the last was sent (tried: "
        f"{', '.join(map(str, MULTIPLES))} times Go's)."
    )


def limit_of_go(count: int, span: float, rates: tuple[int, ...]) -> int:
    """The highest rate at which no queue of Go's grows."""
    borne = 0
    for rate in rates:
        note(f"{GO} at {rate} messages a second")
        told_ = told(GO, "sustained", count, rate, span)[0]
        if told_["queued"] > 2 * rate or told_["delivered"] < 0.999:
            break
        borne = rate
    else:
        if len(rates) > 1:
            raise Missing(f"its queue does not grow even at {borne} messages a second: try more")
    if not borne:
        raise Missing(f"its queue grows even at {rates[0]} messages a second")
    return borne
