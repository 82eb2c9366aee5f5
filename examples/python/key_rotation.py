"""Changes the encryption key of a cluster, and then its label, while messages go to and fro.

    key_rotation.py

None is lost. Three nodes in one process stand for three machines; one of them sees to it that all take
each step before anyone takes the next.
"""

import itertools
import os
import sys
import threading
import time
from contextlib import ExitStack

import gossip
from gossip import MigrationKind, MigrationProgress, Step


class Keeper(gossip.Delegate):
    """What a service has on each of its machines."""

    received = 0
    to_save = 0

    def notify_msg(self, message: gossip.Message) -> None:
        self.received += 1

    def notify_migrated(self, kind: MigrationKind, step: Step, by: str) -> None:
        # In earnest: write pool.keyring.keys(), or the label, to where the configuration comes
        # from. A node that is started with the old one does not get in.
        self.to_save += 1


class Traffic(threading.Thread):
    """Every node writes to every other one, again and again."""

    def __init__(self, pools: list[gossip.Pool]) -> None:
        super().__init__()
        self.pools, self.sent, self.stopped = pools, 0, threading.Event()

    def run(self) -> None:
        for sender, receiver in itertools.cycle(itertools.permutations(self.pools, 2)):
            if self.stopped.wait(0.001):
                break
            self.sent += 1
            sender.send_reliable(receiver.local_node, b"hello", timeout=10)


def show(news: MigrationProgress) -> None:
    print("  ", news, flush=True)


def knock(what: str, seed: gossip.Pool, key: bytes, label: str) -> None:
    """Somebody who comes later; tells whether the cluster takes it."""
    with gossip.Gossip(gossip.Config(name="late", bind_addr="127.0.0.1", bind_port=0)) as node:
        pool = node.register_pool(gossip.PoolConfig.local(1, keys=[key], label=label))
        try:
            pool.join([seed.local_node], timeout=10)
            print(what, "is in", flush=True)
        except gossip.JoinError as refused:
            print(what, "is out:", refused, flush=True)


old, new = os.urandom(32), os.urandom(32)
with ExitStack() as stack:
    keepers = [Keeper() for _ in range(3)]
    pools = []
    for name, keeper in zip(("red", "green", "blue"), keepers, strict=True):
        config = gossip.Config(name=name, bind_addr="127.0.0.1", bind_port=0)
        node = stack.enter_context(gossip.Gossip(config))
        pools.append(node.register_pool(gossip.PoolConfig.local(1, keys=[old]), keeper))
        if pools[1:]:
            pools[-1].join([pools[0].local_node], timeout=10)
    for pool in pools:
        pool.wait_for(3, timeout=10)
    traffic = Traffic(pools)
    traffic.start()
    stack.callback(traffic.stopped.set)

    # If somebody is in the way, that is a MigrationError, whose report says who. Everybody still
    # understands everybody then; call again, on any node.
    print(pools[1].rotate_key(new, timeout=60), flush=True)
    print(pools[1].migrate(label="blue-sky", timeout=60, progress=show), flush=True)

    knock("with the new key and the label, a latecomer", pools[0], new, "blue-sky")
    knock("with the old key", pools[0], old, "blue-sky")
    knock("without the label", pools[0], new, "")

    traffic.stopped.set()
    traffic.join()
    deadline = time.monotonic() + 10
    while (received := sum(keeper.received for keeper in keepers)) < traffic.sent:
        if time.monotonic() > deadline:
            break
        time.sleep(0.01)
    print("to be saved on", sum(keeper.to_save > 0 for keeper in keepers), "nodes")
    print(f"{traffic.sent} messages sent, {received} received")
    if received != traffic.sent:
        sys.exit("messages were lost")
