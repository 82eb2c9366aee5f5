"""`gossip.aio` on the loops that users have, in asyncio's debug mode."""

import asyncio
import errno
import gc
import inspect
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing
from typing import Any

import pytest
from support import DEADLINE, config, need, pool_config

import gossip
from gossip import aio

Main = Callable[[], Coroutine[Any, Any, None]]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Main], None]]:
    """Runs a coroutine in debug mode, with a deadline; what the loop complains of fails the test."""
    new_loop = need("uvloop").new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
    complaints: list[dict[str, Any]] = []

    def run(main: Main) -> None:
        async def limited() -> None:
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
            async with asyncio.timeout(2 * DEADLINE):
                await main()

        with asyncio.Runner(debug=True, loop_factory=new_loop) as runner:
            runner.run(limited())

    yield run
    gc.collect()
    assert complaints == []


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.01)


async def cancelled(awaitable: Coroutine[Any, Any, Any], when: Callable[[], object] = lambda: True) -> None:
    """Begins something, and cancels it once it is under way."""
    task = asyncio.create_task(awaitable)
    await asyncio.sleep(0)
    await until(when)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A port where connections are taken in and nobody answers, over UDP neither."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


async def two(a: aio.Gossip, b: aio.Gossip) -> tuple[aio.Pool, aio.Pool]:
    """A pool on both nodes, which have joined."""
    pools = a.register_pool(pool_config()), b.register_pool(pool_config())
    await pools[1].join([a.address])
    await until(lambda: len(pools[0]) == 2)
    return pools


def test_two_nodes_use_everything_that_takes_time(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = await two(a, b)
            assert (at_b.id, at_b.local_node.name, a.pool(1), dict(a.pools)) == (1, "b", at_a, {1: at_a})
            assert [member.name for member in at_a] == ["a", "b"] == [m.name for m in at_a.members()]

            assert 0 < await at_a.ping(at_a.member("b")) < DEADLINE
            assert 0 < await at_a.ping("127.0.0.1:{}".format(b.address[1])) < DEADLINE
            assert 0 < await at_a.ping(("localhost", b.address[1])) < DEADLINE
            await at_a.send(at_a.member("b"), b"a datagram")
            await at_a.send(at_a.member("b"), bytearray(b"over tcp"), reliable=True)
            await at_a.broadcast(b"to all")
            await at_a.broadcast(b"to all, waiting for room", timeout=DEADLINE)
            await until(lambda: at_b.stats().messages_received >= 4)
            await at_a.update_node(b"new")
            await until(lambda: at_b.member("a").meta == b"new")
            await at_b.leave()
            await until(lambda: len(at_a) == 1)
            with pytest.raises(gossip.NotJoinedError):
                await at_b.update_node(b"too late")
            assert (await at_b.join([a.address])).joined == (a.address,)
        assert a.closed and b.closed

    run(main)


def test_errors_are_those_of_the_synchronous_api(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config())
            with socket.create_server(("127.0.0.1", 0)) as taken:
                nobody = taken.getsockname()
            with pytest.raises(gossip.JoinError) as error:
                await pool.join([nobody], timeout=DEADLINE)
            assert list(error.value.failed) == ["{}:{}".format(*nobody)]
            with pytest.raises(TypeError):
                await pool.join("127.0.0.1:1")
            with pytest.raises(TimeoutError):
                await pool.ping(nobody, timeout=0.05)
            with pytest.raises(gossip.MessageTooLargeError):
                await pool.broadcast(bytes(100_000), timeout=1)
            with pytest.raises(gossip.MessageTooLargeError):
                await pool.update_node(bytes(513))
            with pytest.raises(ValueError, match="timeout"):
                await pool.leave(-1)
            with pytest.raises(gossip.UnknownPoolError):
                node.pool(2)
        for late in (pool.join([nobody]), pool.ping(nobody), pool.leave(), pool.broadcast(b"x", timeout=1)):
            with pytest.raises(gossip.ClosedError):
                await late

    run(main)


def test_before_the_start_calls_say_so(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        node = aio.Gossip(config("a"))
        pool = node.register_pool(pool_config())
        with pytest.raises(gossip.NotStartedError):
            await pool.join(["127.0.0.1:1"])
        await node.close()

    run(main)


def test_what_is_cancelled_leaves_nothing_behind(run: Callable[[Main], None], silent: socket.socket) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config(tcp_timeout=600, probe_timeout=600, probe_interval=600))

            def under_way() -> int:
                counters = pool.stats().counters
                return counters["commands_open"] + counters["exchanges_outbound"]

            nobody = silent.getsockname()
            before = threading.active_count(), len(os.listdir("/proc/self/fd"))
            calls: list[Callable[[], Coroutine[Any, Any, Any]]] = [
                lambda: pool.join([nobody], timeout=600),
                lambda: pool.ping(nobody, timeout=600),
                lambda: pool.send(nobody, bytes(8_000_000), reliable=True, timeout=600),
            ]
            for begin in calls:
                await cancelled(begin(), when=under_way)
                await until(lambda: under_way() == 0)
                assert node._calls.core.open() == 0
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await begin()
                await until(lambda: under_way() == 0)
            await until(lambda: (threading.active_count(), len(os.listdir("/proc/self/fd"))) == before)
            assert len(pool) == 1
            # Nobody has to wait for what was cancelled.
            await node.leave()

    run(main)


def test_a_broadcast_that_is_cancelled_while_it_waits_for_room_is_never_sent(
    run: Callable[[Main], None],
) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            slow = pool_config(gossip_interval=600.0, broadcast_queue_depth=1, probe_interval=600.0)
            at_a, at_b = a.register_pool(slow), b.register_pool(slow)
            await at_b.join([a.address])
            with pytest.raises(gossip.QueueFullError):
                for _ in range(10_000):
                    await at_a.broadcast(b"first")
            await cancelled(
                at_a.broadcast(b"second", timeout=600),
                when=lambda: at_a.stats().counters["broadcasters_waiting"] == 1,
            )
            await until(lambda: at_a.stats().counters["broadcasters_waiting"] == 0)
            await a.shutdown()
            await b.shutdown()

    run(main)


def test_the_end_of_the_node_ends_what_is_under_way(
    run: Callable[[Main], None], silent: socket.socket
) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config())
            listener, packets = node.listen(0x0101), node.packets()
            nobody = silent.getsockname()
            calls = [
                asyncio.create_task(pool.join([nobody], timeout=600)),
                asyncio.create_task(pool.ping(nobody, timeout=600)),
            ]
            iterations = [asyncio.create_task(_count(listener)), asyncio.create_task(_count(packets))]
            accepting = asyncio.create_task(listener.accept())
            await until(lambda: pool.stats().counters["commands_open"] == 2)
            await node.shutdown()
            for result in await asyncio.gather(*calls, return_exceptions=True):
                assert isinstance(result, gossip.ClosedError)
            assert await asyncio.gather(*iterations) == [0, 0]
            with pytest.raises(OSError) as error:
                await accepting
            assert error.value.errno == errno.EBADF

    run(main)


async def _count(arriving: aio.Listener | aio.Packets) -> int:
    return len([item async for item in arriving])


def test_a_block_that_is_cancelled_leaves_and_closes(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a:
            at_a = a.register_pool(pool_config())
            entered: asyncio.Future[aio.Gossip] = asyncio.get_running_loop().create_future()

            async def block() -> None:
                async with aio.Gossip(config("b")) as b:
                    await b.register_pool(pool_config()).join([a.address])
                    entered.set_result(b)
                    await asyncio.Event().wait()

            task = asyncio.create_task(block())
            b = await entered
            await until(lambda: len(at_a) == 2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert b.closed
            await until(lambda: len(at_a) == 1)
            assert at_a.stats().members_left == 1

    run(main)


def test_a_shutdown_that_is_cancelled_completes(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        node = await aio.Gossip(config("a")).start()
        await cancelled(node.shutdown())
        assert node.closed and node._calls._face.fileno() == -1
        await node.shutdown()

    run(main)


def test_a_pool_ends_alone(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            pool = node.register_pool(pool_config(1))
            node.register_pool(pool_config(2))
            await pool.shutdown()
            assert list(node.pools) == [2]
            node.register_pool(pool_config(1))

    run(main)


def test_many_calls_at_once_are_answered_each_with_its_own(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, _ = await two(a, b)
            threads = threading.active_count()
            rtts = await asyncio.gather(*(at_a.ping(at_a.member("b"), timeout=DEADLINE) for _ in range(300)))
            assert len(rtts) == 300 and all(rtt > 0 for rtt in rtts)
            assert threading.active_count() == threads

    run(main)


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _ask(streams: Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]], data: bytes) -> bytes:
    reader, writer = await streams
    writer.write(data)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


def test_a_service_on_its_id_serves_while_gossip_runs(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = await two(a, b)
            async with await aio.start_server(_echo, b.listen(0x0101)) as server:
                assert server.is_serving()
                asking = (
                    _ask(a.open_connection(at_a.member("b"), 0x0101), b"%d" % n) for n in range(50)
                )
                assert await asyncio.gather(*asking) == [b"%d" % n for n in range(50)]
                assert 0 < await at_a.ping(at_a.member("b"))
            assert not server.is_serving()
            # The id is free again.
            b.listen(0x0101).close()
            assert len(at_a) == len(at_b) == 2

    run(main)


def test_a_server_ends_gracefully_or_at_once(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            server = await aio.start_server(_echo, node.listen(0x0101))
            reader, writer = await node.open_connection(node.address, 0x0101)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            server.close()
            ending = asyncio.create_task(server.wait_closed())
            writer.write(b"two")
            assert await reader.readexactly(3) == b"two"
            assert not ending.done()
            writer.close()
            await ending

            forever = asyncio.create_task((await aio.start_server(_echo, node.listen(0x0101))).serve_forever())
            reader, writer = await node.open_connection(node.address, 0x0101)
            writer.write(b"one")
            assert await reader.readexactly(3) == b"one"
            forever.cancel()
            with pytest.raises(asyncio.CancelledError):
                await forever
            assert await reader.read() == b""
            writer.close()

            # The node's end is the server's.
            forever = asyncio.create_task((await aio.start_server(_echo, node.listen(0x0101))).serve_forever())
            await asyncio.sleep(0)
            await node.shutdown()
            await forever

    run(main)


def test_what_a_handler_raises_closes_its_connection_and_is_told(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            raise ZeroDivisionError

        async with aio.Gossip(config("a")) as node:
            async with await aio.start_server(broken, node.listen(0x0101)) as server:
                reader, writer = await node.open_connection(node.address, 0x0101)
                writer.write(b"x")
                with pytest.raises(ConnectionError):
                    if not await reader.read():
                        raise ConnectionResetError
                writer.close()
                assert server.is_serving()
        assert [type(context["exception"]) for context in told] == [ZeroDivisionError]

    run(main)


def test_listeners_accept_and_a_cancelled_accept_takes_nothing(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node, node.listen(0x0101) as listener:
            assert (listener.id, listener.address) == (0x0101, node.address)
            await cancelled(listener.accept())
            accepting = [asyncio.create_task(listener.accept()) for _ in range(3)]
            await asyncio.sleep(0)
            accepting[0].cancel()
            for task in accepting[1:]:
                with closing(await aio.dial(node.address, 0x0101)) as dialled:
                    accepted, address = await task
                    assert address == dialled.getsockname() and accepted.gettimeout() == 0
                    accepted.close()
            closed = asyncio.create_task(listener.accept())
            await asyncio.sleep(0)
            listener.close()
            with pytest.raises(OSError) as error:
                await closed
            assert error.value.errno == errno.EBADF
            assert await _count(listener) == 0

    run(main)


def test_the_end_of_a_node_of_the_other_api_wakes_every_task(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        node = gossip.Gossip(config("a")).start()
        with node.listen(0x0101) as listener, node.packets() as packets:
            here, there = aio.Listener(listener), aio.Packets(packets)
            counting = [asyncio.create_task(_count(each)) for each in (here, here, here, there, there)]
            await asyncio.sleep(0)
            await asyncio.to_thread(node.shutdown)
            assert await asyncio.gather(*counting) == [0] * 5

    run(main)


def test_datagrams_go_both_ways(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = a.packets(), b.packets()
            await cancelled(at_b.recv())
            assert at_a.sendto(b"ping", b.address) == 4
            packet = await at_b.recv()
            assert (packet.data, packet.address) == (b"ping", a.address)
            at_b.sendto(b"pong", "{}:{}".format(*packet.address))
            assert await at_a.recvfrom() == (b"pong", b.address)
            with pytest.raises(ValueError, match="localhost"):
                at_a.sendto(b"x", "localhost:1")
            for n in range(5):
                at_a.sendto(b"%d" % n, b.address)
            got: list[bytes] = []
            async for packet in at_b:
                got.append(packet.data)
                if len(got) == 5:
                    at_b.close()
            assert got == [b"%d" % n for n in range(5)]

    run(main)


def test_dialling_nobody_is_an_error_with_a_number(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            nobody = taken.getsockname()
        with pytest.raises(ConnectionRefusedError):
            await aio.dial(nobody, 0x0101)
        with pytest.raises(gossip.RegistrationError):
            await aio.dial(nobody, 0xFE00)

    run(main)


def test_a_node_belongs_to_its_loop() -> None:
    node = asyncio.run(aio.Gossip(config("a")).start(), debug=True)
    with pytest.raises(RuntimeError, match="belongs to"):
        asyncio.run(node.shutdown())
    node.sync.shutdown()
    node._release()


def test_a_forgotten_node_says_so_and_closes() -> None:
    async def main() -> tuple[str, int]:
        node = await aio.Gossip(config("a")).start()
        return node.address

    with pytest.warns(ResourceWarning) as warned:
        address = asyncio.run(main(), debug=True)
        gc.collect()
    assert [str(each.message).startswith("unclosed <gossip.Gossip") for each in warned] == [True]
    with socket.create_server(address):
        pass


def test_importing_gossip_does_not_import_asyncio() -> None:
    code = "import gossip, sys; assert 'asyncio' not in sys.modules; assert 'ssl' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=60)


# News.


def test_events_and_messages_are_iterated(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = a.register_pool(pool_config()), b.register_pool(pool_config())
            messages = at_a.messages()
            everywhere = a.events(gossip.MemberLeft)
            async with at_a.events() as events:
                first = await events.get()
                assert isinstance(first, gossip.MemberJoined) and first.member.name == "a"
                assert events.try_get() is None
                await cancelled(events.get())
                joining = asyncio.create_task(at_b.join([a.address]))
                async for event in events:
                    assert isinstance(event, gossip.MemberJoined) and event.member.name == "b"
                    break
                await joining
            assert events.ended
            with pytest.raises(gossip.ClosedError):
                await events.get()

            for text in (b"one", b"two"):
                await at_b.send(at_b.member("a"), text, reliable=True)
                assert (await messages.get()).data == text
            await at_b.leave()
            left = await everywhere.get()
            assert isinstance(left, gossip.MemberLeft) and (left.member.name, left.failed) == ("b", False)

            iterating = asyncio.create_task(_texts(messages))
            waiting = asyncio.create_task(everywhere.get())
            await asyncio.sleep(0)
            await a.shutdown()
            assert await iterating == []
            with pytest.raises(gossip.ClosedError):
                await waiting

    run(main)


async def _texts(messages: aio.Subscription[gossip.Message]) -> list[bytes]:
    return [message.data async for message in messages]


def test_closing_a_subscription_wakes_who_waits(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            messages = node.register_pool(pool_config()).messages()
            waiting = [asyncio.create_task(_texts(messages)) for _ in range(3)]
            await asyncio.sleep(0)
            messages.close()
            assert await asyncio.gather(*waiting) == [[], [], []]

    run(main)


def test_each_event_goes_to_one_of_several_tasks(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            _, at_b = await two(a, b)
            messages = a.pool(1).messages()
            takers = [asyncio.create_task(_texts(messages)) for _ in range(4)]
            sent = [b"%d" % n for n in range(100)]
            for text in sent:
                await at_b.send(at_b.member("a"), text, reliable=True)
            await until(lambda: messages.stats().accepted == 100 and messages.stats().pending == 0)
            messages.close()
            taken = [text for texts in await asyncio.gather(*takers) for text in texts]
            assert sorted(taken) == sorted(sent)

    run(main)


def test_a_pool_is_waited_for(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a, at_b = a.register_pool(pool_config()), b.register_pool(pool_config())
            with pytest.raises(TimeoutError):
                await at_a.wait_for(2, timeout=0.05)
            waiting = asyncio.create_task(at_a.wait_for(2))
            await at_b.join([a.address])
            await waiting
            await at_b.wait_for(lambda pool: "a" in pool, timeout=DEADLINE)

    run(main)


class Service(aio.Delegate):
    """Hooks that await, one that raises, one that hangs."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.loop: asyncio.AbstractEventLoop | None = None

    async def notify_join(self, member: gossip.Member) -> None:
        await asyncio.sleep(0.001)
        self.loop = asyncio.get_running_loop()
        self.told.append(("join", member.name))

    async def notify_msg(self, message: gossip.Message) -> None:
        self.told.append(("msg", message.data))
        if message.data == b"raise":
            raise ZeroDivisionError
        if message.data == b"cancel":
            raise asyncio.CancelledError

    async def notify_leave(self, member: gossip.Member) -> None:
        self.told.append(("leave", member.name))

    async def notify_shutdown(self) -> None:
        self.told.append(("shutdown", None))

    async def local_state(self, join: bool) -> bytes:
        return b"state of a"

    async def notify_merge(self, members: Any) -> None:
        if any(member.meta == b"unwanted" for member in members):
            raise gossip.Rejected("not wanted")
        if any(member.meta == b"endless" for member in members):
            await asyncio.Event().wait()


def test_coroutines_of_a_delegate_run_on_the_loop(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        service = Service()
        async with aio.Gossip(config("a")) as a, aio.Gossip(config("b")) as b:
            at_a = a.register_pool(pool_config(query_timeout=0.2), service)
            at_b = b.register_pool(pool_config())
            states = at_b.events(gossip.RemoteState)
            await at_b.join([a.address])
            state = await states.get()
            assert isinstance(state, gossip.RemoteState) and state.data == b"state of a"
            for text in (b"one", b"raise", b"cancel", b"two"):
                await at_b.send(at_b.member("a"), text, reliable=True)
                # Each comes in a conversation of its own, which the next might overtake.
                await until(lambda: ("msg", text) in service.told)  # noqa: B023
            await at_b.leave()
            await until(lambda: ("leave", "b") in service.told)
            assert service.told == [
                ("join", "a"), ("join", "b"),
                ("msg", b"one"), ("msg", b"raise"), ("msg", b"cancel"), ("msg", b"two"),
                ("leave", "b"),
            ]  # fmt: skip
            assert service.loop is asyncio.get_running_loop()
            assert at_a.stats().callback_errors == 2
            for meta in (b"unwanted", b"endless"):
                refused = at_a.stats().merges_refused
                async with aio.Gossip(config("c")) as c:
                    await c.register_pool(pool_config(meta=meta)).join([a.address], timeout=DEADLINE)
                    await until(lambda: at_a.stats().merges_refused > refused)  # noqa: B023
        assert service.told[-1] == ("shutdown", None)

    run(main)


def test_a_delegate_without_coroutines_has_threads_of_its_own(run: Callable[[Main], None]) -> None:
    threads: list[str] = []

    class Plain(gossip.Delegate):
        def notify_join(self, member: gossip.Member) -> None:
            threads.append(threading.current_thread().name)

    async def main() -> None:
        async with aio.Gossip(config("a")) as node:
            node.register_pool(pool_config(), Plain())
            await until(lambda: threads)
        assert threads == ["gossip-delegate-1"]

    run(main)


def test_everything_of_the_synchronous_api_is_here() -> None:
    """No method is forgotten, and each that waits is a coroutine."""
    waits = {"join", "leave", "shutdown", "close", "broadcast", "send", "ping", "update_node", "wait_for",
             "start", "accept", "recv", "recvfrom", "get"}  # fmt: skip
    renamed = {"recv_many"}
    pairs = [
        (gossip.Gossip, aio.Gossip), (gossip.Pool, aio.Pool), (gossip.Subscription, aio.Subscription),
        (gossip.Delegate, aio.Delegate),
    ]  # fmt: skip
    for sync, here in pairs:
        for name, value in vars(sync).items():
            if name.startswith("_") or name in renamed or (sync is gossip.Subscription and name in ("fileno", "closed")):
                continue
            assert hasattr(here, name), f"gossip.aio.{here.__name__} has no {name}"
            if callable(value) and sync is not gossip.Delegate:
                coroutine = name in waits and not (sync is gossip.Subscription and name == "close")
                assert inspect.iscoroutinefunction(getattr(here, name)) == coroutine, name
                if name not in ("get", "register_pool"):
                    ours = inspect.signature(getattr(here, name)).parameters
                    assert list(ours) == list(inspect.signature(value).parameters), name


def test_every_public_name_has_a_docstring() -> None:
    bare = []
    for name in aio.__all__:
        found = getattr(aio, name)
        members = vars(found).items() if isinstance(found, type) else ()
        for member, value in [("", found), *members]:
            documented = inspect.isroutine(value) or isinstance(value, type | property)
            if documented and not member.startswith("_") and not inspect.getdoc(value):
                bare.append(f"{name}.{member}")
    assert not bare


LOOSE_ENDS = """
import asyncio, gossip
from gossip import aio

class Service(aio.Delegate):
    async def notify_join(self, member):
        await asyncio.Event().wait()

async def main():
    await node.start()
    pool = node.register_pool(gossip.PoolConfig.local(1), Service())
    waiting = [pool.join(["127.0.0.1:{port}"], timeout=600), pool.ping("127.0.0.1:{port}", timeout=600),
               pool.events(gossip.PingCompleted).get(), node.listen(0x0101).accept(), node.packets().recv()]
    tasks = [asyncio.create_task(each) for each in waiting]
    while pool.stats().counters["commands_open"] < 2:
        await asyncio.sleep(0)

node = aio.Gossip(gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0))
asyncio.run(main())
print("the loop is gone")
"""


def test_a_program_may_end_with_everything_left_open(silent: socket.socket) -> None:
    """The loop ends before the node, and the interpreter with both, every time without a crash."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = LOOSE_ENDS.replace("{port}", str(silent.getsockname()[1]))
    for _ in range(5):
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, env=environment, timeout=60, check=False
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "the loop is gone\n", "")


INTERRUPTED = """
import asyncio, gossip
from gossip import aio

async def main():
    async with aio.Gossip(gossip.Config(name="a", bind_addr="127.0.0.1", bind_port=0)) as node:
        try:
            joining = asyncio.create_task(node.register_pool(gossip.PoolConfig.local(1)).join(["127.0.0.1:{port}"], timeout=600))
            while node.pool(1).stats().counters["commands_open"] < 1:
                await asyncio.sleep(0)
            print("joining", flush=True)
            await joining
        finally:
            print("interrupted", flush=True)
    print("never")

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("closed")
"""


def test_ctrl_c_ends_a_wait_and_closes_the_node(silent: socket.socket) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    program = INTERRUPTED.replace("{port}", str(silent.getsockname()[1]))
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment) as run:
        assert run.stdout and run.stdout.readline() == "joining\n"
        run.send_signal(signal.SIGINT)
        assert run.stdout.read() == "interrupted\nclosed\n"
        assert run.wait(DEADLINE) == 0
