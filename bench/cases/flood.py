"""One pool flooded."""

import json
import subprocess
from functools import partial
from time import sleep

from harness.case import Options
from harness.programs import c
from harness.runs import LOAD, SERVER, Command, Figures, interleaved, lines, pinning, serving
from harness.tables import Table, value_at_least

from .servers import go, port

SEED = "Go seed"
USER = "08"
"""The type of a message of the application."""
FLOODS = {100_000: 0.99, 400_000: 0.85}
BESIDE = 200
"""Messages a second in the other pool."""


def flood(table: Table, options: Options) -> None:
    """one pool flooded with messages of 200 bytes, the messages of the other pool beside"""
    seconds = options.of(3, 0.5)
    for rate, goal in FLOODS.items():
        contenders = {
            name: partial(lambda command, rate: measure(command(), rate, seconds), command, rate)
            for name, command in {"ours": port, SEED: lambda: go("seed")}.items()
        }
        samples = interleaved(contenders, options.rounds(3))
        where = f"{rate} a second"
        table.add(f"{where}: delivered in the other pool", "", samples, "beside", peer=SEED, goal=value_at_least(goal))
        table.add(f"{where}: delivered in the flooded pool", "k/s", samples, "flooded", peer=SEED, scale=1e-3)
        offered = [round_["offered"] for round_ in samples.rounds["ours"]]
        if offered and min(offered) < 0.9 * rate:
            table.note(f"{where}: the sender came to {min(offered):.0f} a second only.")
    table.note("Server and senders are on a processor each.")


def measure(command: Command, rate: int, seconds: float) -> Figures:
    """The share of the other pool's messages that arrive."""
    with serving(command, SERVER) as server:

        def load(pool: int, rate: int, seconds: float) -> Command:
            return [c("load"), "udp", server.host, server.port, f"fe0{pool}{USER}", "200", str(rate), str(seconds)]

        lines(load(2, BESIDE, seconds / 4), LOAD)
        before = server.ask("count")
        # The flood begins first and ends last.
        flooding = subprocess.Popen(
            load(1, rate, seconds * 1.4), stdout=subprocess.PIPE, text=True, preexec_fn=pinning(LOAD)
        )
        try:
            sleep(seconds * 0.2)
            sent = lines(load(2, BESIDE, seconds), LOAD)[0]["sent"]
            output, _ = flooding.communicate(timeout=seconds * 2 + 10)
        finally:
            flooding.kill()
            flooding.wait()
        offered = json.loads(output)
        # What waits is still taken.
        sleep(0.5)
        after = server.ask("count")
        return {
            "beside": (after["pool2"] - before["pool2"]) / sent,
            "flooded": (after["pool1"] - before["pool1"]) / (seconds * 1.4),
            "offered": offered["rate"],
        }
