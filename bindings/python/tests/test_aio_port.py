"""Servers, listeners and datagrams of `gossip.aio`."""

import asyncio
import errno
import socket
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import Any

import pytest
from loops import Main, cancelled, count, two
from support import config

import gossip
from gossip import aio


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
            assert await count(listener) == 0

    run(main)


def test_the_end_of_a_node_of_the_other_api_wakes_every_task(run: Callable[[Main], None]) -> None:
    async def main() -> None:
        node = gossip.Gossip(config("a")).start()
        with node.listen(0x0101) as listener, node.packets() as packets:
            here, there = aio.Listener(listener), aio.Packets(packets)
            counting = [asyncio.create_task(count(each)) for each in (here, here, here, there, there)]
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
