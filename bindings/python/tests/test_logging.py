"""What nodes log, in the hands of `logging`."""

import logging
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import MakeNode
from support import DEADLINE, eventually, pool_config

import gossip

HERE = Path(__file__).parent


class Kept(logging.Handler):
    """Keeps every record."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def find(self, logger: str, text: str) -> logging.LogRecord | None:
        return next((r for r in list(self.records) if r.name == logger and text in r.getMessage()), None)


@pytest.fixture
def kept() -> Iterator[Kept]:
    handler, logger = Kept(), logging.getLogger("gossip")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_records_come_with_their_time_their_node_and_their_pool(kept: Kept, make_node: MakeNode) -> None:
    logging.getLogger("gossip").setLevel(logging.INFO)
    begun = time.time()
    make_node("a").register_pool(pool_config(7))

    eventually(lambda: kept.find("gossip.pool.7", ""))
    record = kept.find("gossip.pool.7", "")
    assert record is not None
    assert begun - 1 < record.created < time.time() + 1
    assert (record.levelname, record.threadName, record.node) == ("INFO", "gossip", "a")  # type: ignore[attr-defined]
    assert record.pool_id == 7  # type: ignore[attr-defined]
    assert record.getMessage().startswith(f"a: {record.event}")  # type: ignore[attr-defined]
    assert record.pathname.startswith("gossip_core")


def test_a_level_counts_at_run_time(kept: Kept, make_node: MakeNode) -> None:
    pool = make_node("a").register_pool(pool_config(3))
    logging.getLogger("gossip").setLevel(logging.WARNING)

    def details() -> bool:
        pool.send(pool._node.address, b"x")
        return any(record.levelno <= logging.DEBUG for record in kept.records)

    assert not details()
    logging.getLogger("gossip").setLevel(5)
    eventually(details)

    logging.getLogger("gossip").setLevel(logging.CRITICAL + 1)

    def is_quiet() -> bool:
        before = pool._node.log_stats()
        for _ in range(20):
            details()
        return pool._node.log_stats() == before

    eventually(is_quiet, "nothing is even made any more")


def test_a_level_of_one_pool_alone_counts(kept: Kept, make_node: MakeNode) -> None:
    logging.getLogger("gossip").setLevel(logging.ERROR)
    logging.getLogger("gossip.pool.4").setLevel(logging.DEBUG)
    try:
        a = make_node("a").register_pool(pool_config(4))
        make_node("b").register_pool(pool_config(4)).join([a._node.address], timeout=DEADLINE)
        eventually(lambda: any(record.name == "gossip.pool.4" for record in kept.records))
        assert not [record for record in kept.records if record.levelno < logging.ERROR
                    and record.name != "gossip.pool.4"]  # fmt: skip
    finally:
        logging.getLogger("gossip.pool.4").setLevel(logging.NOTSET)


def test_a_handler_that_calls_and_one_that_raises_harm_nobody(kept: Kept, make_node: MakeNode) -> None:
    seen: list[int] = []

    class Calling(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(len(pool))
            raise_from()

    def raise_from() -> None:
        raise ValueError("a bad handler")

    logging.getLogger("gossip").setLevel(logging.DEBUG)
    pool = make_node("a").register_pool(pool_config())
    handler, before = Calling(), logging.raiseExceptions
    logging.raiseExceptions = False
    logging.getLogger("gossip").addHandler(handler)
    try:
        for name in "bc":
            make_node(name).register_pool(pool_config()).join([pool._node.address], timeout=DEADLINE)
        eventually(lambda: len(seen) > 1)
    finally:
        logging.getLogger("gossip").removeHandler(handler)
        logging.raiseExceptions = before


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": f"{HERE.parent / 'src'}:{HERE}"}, check=False,
    )  # fmt: skip


def test_without_a_handler_nothing_is_printed_and_with_one_nothing_is_lost_at_the_end() -> None:
    silent = run("import gossip, support\nsupport.gossip.Gossip(support.config('a')).start().close()")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")

    ended = run("""
        import logging
        logging.basicConfig(level=logging.INFO, format="%(name)s %(levelname)s %(message)s")
        import gossip, support
        gossip.Gossip(support.config("a")).start().register_pool(support.pool_config(1))
    """)
    assert ended.returncode == 0
    assert "gossip.pool.1 INFO a: " in ended.stderr
    assert "shut down" in ended.stderr, ended.stderr
