"""Where messages come from, how and when; and how certain it is that a reliable one arrived.

The same as in `tests/c/messages.c`, and what only Python has.
"""

import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone

import pytest

import gossip
from conftest import MakeNode
from gossip import Delivery, Message, NotTakenError, Refusal, aio
from loops import Main
from support import DEADLINE, config, eventually, pool_config

KEY = b"sixteen bytes of"


def is_from_blue(pool: gossip.Pool, message: Message, reliable: bool, encrypted: bool) -> None:
    """What every message of blue tells."""
    assert (message.sender, message.pool_id) == ("blue", pool.id)
    assert (message.reliable, message.encrypted) == (reliable, encrypted)
    assert message.source[0] == "127.0.0.1"
    assert message.received > 0
    since = datetime.now(timezone.utc) - pool.wall_clock(message.received)
    # It came within the last minutes.
    assert timedelta(seconds=-5) <= since <= timedelta(minutes=10)


@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_messages_say_where_they_come_from(make_node: MakeNode, keys: tuple[bytes, ...]) -> None:
    blue, green = make_node("blue"), make_node("green")
    at_blue, at_green = (node.register_pool(pool_config(keys=keys)) for node in (blue, green))
    messages = at_green.messages()
    at_blue.join([green.address], timeout=DEADLINE)
    eventually(lambda: len(at_green) == 2)

    sent = at_blue.send_reliable(at_blue.member("green"), b"a letter", timeout=DEADLINE)
    assert sent is Delivery.ACKNOWLEDGED
    letter = messages.get(timeout=DEADLINE)
    assert (letter.data, letter.origin) == (b"a letter", None)
    is_from_blue(at_green, letter, reliable=True, encrypted=bool(keys))

    at_blue.broadcast(b"to all", name="colour", timeout=DEADLINE)
    heard = messages.get(timeout=DEADLINE)
    assert heard.data == b"to all"
    is_from_blue(at_green, heard, reliable=False, encrypted=bool(keys))
    assert heard.origin is not None
    assert (heard.origin.node, heard.origin.sequence, heard.origin.name) == ("blue", 1, b"colour")
    assert heard.origin.instance > 0
    assert heard.received >= letter.received

    assert at_blue.send(green.address, b"again", reliable=True, timeout=DEADLINE) is Delivery.ACKNOWLEDGED
    assert at_blue.send(green.address, b"a datagram") is None
    # Nobody takes messages at blue.
    with pytest.raises(NotTakenError, match="nobody there takes messages") as error:
        at_green.send_reliable(blue.address, b"back", timeout=DEADLINE)
    assert error.value.reason is Refusal.UNHEARD
    assert isinstance(error.value, gossip.GossipError) and not isinstance(error.value, OSError)
    copy = pickle.loads(pickle.dumps(error.value))
    assert (str(copy), copy.reason) == (str(error.value), Refusal.UNHEARD)


@pytest.fixture
def deaf() -> Iterator[socket.socket]:
    """Takes connections; nobody accepts them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_what_is_no_delivery_tells_how_far_it_came(make_node: MakeNode, deaf: socket.socket) -> None:
    pool = make_node("blue").register_pool(pool_config())
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        nobody = gone.getsockname()

    with pytest.raises(ConnectionRefusedError):
        pool.send_reliable(nobody, b"x", timeout=DEADLINE)
    with pytest.raises(TimeoutError, match="no answer in time"):
        pool.send_reliable(deaf.getsockname(), b"x", timeout=0.2)


def test_whoever_closes_in_good_order_may_have_it(make_node: MakeNode, deaf: socket.socket) -> None:
    pool = make_node("blue").register_pool(pool_config(enable_compression=False))

    def read_and_close() -> None:
        stream, _ = deaf.accept()
        with stream:
            read = b""
            while not read.endswith(b"a letter"):
                read += stream.recv(1)

    reading = threading.Thread(target=read_and_close)
    reading.start()
    assert pool.send_reliable(deaf.getsockname(), b"a letter", timeout=DEADLINE) is Delivery.CLOSED
    reading.join()


def test_coroutines_are_told_the_same(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("blue")) as blue, aio.Gossip(config("green")) as green:
            at_blue, at_green = blue.register_pool(pool_config()), green.register_pool(pool_config())
            messages = at_green.messages()
            await at_blue.join([green.address], timeout=DEADLINE)
            await at_green.wait_for(2, timeout=DEADLINE)
            to = at_blue.member("green")

            assert await at_blue.send_reliable(to, b"one", timeout=DEADLINE) is Delivery.ACKNOWLEDGED
            assert await at_blue.send(to, b"two", reliable=True) is Delivery.ACKNOWLEDGED
            assert await at_blue.send(to, b"three") is None
            one = await messages.get()
            assert (one.data, one.sender, one.reliable) == (b"one", "blue", True)
            assert at_green.wall_clock(one.received) == at_green.sync.wall_clock(one.received)
            with pytest.raises(NotTakenError) as error:
                await at_green.send_reliable(blue.address, b"back", timeout=DEADLINE)
            assert error.value.reason is Refusal.UNHEARD

    run(main)


def test_a_time_before_the_start_is_refused(make_node: MakeNode) -> None:
    pool = make_node("blue").register_pool(pool_config())

    with pytest.raises(ValueError, match="received is -1"):
        pool.wall_clock(-1.0)
