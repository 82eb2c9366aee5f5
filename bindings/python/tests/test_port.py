"""The application's own protocols on the port: listeners, dialling, datagrams."""

import asyncio
import errno
import select
import socket
import ssl
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, UDPServer

import pytest
from conftest import MakeNode
from support import DEADLINE, eventually, pool_config

import gossip


@contextmanager
def running(*targets: object) -> Iterator[None]:
    """Runs functions on threads until the block ends; they must end by themselves then."""
    threads = [threading.Thread(target=target, daemon=True) for target in targets]  # type: ignore[arg-type]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def echo(listener: gossip.Listener) -> None:
    """Sends everything back, for one connection after another."""
    for connection, _ in listener:
        with connection:
            while data := connection.recv(4096):
                connection.sendall(data)


def ask(connection: socket.socket, data: bytes) -> bytes:
    """Sends, and reads as much as was sent."""
    connection.settimeout(DEADLINE)
    connection.sendall(data)
    answer = b""
    while len(answer) < len(data):
        more = connection.recv(4096)
        assert more, "connection ended early"
        answer += more
    return answer


def test_a_dialled_connection_reaches_the_listener_with_its_id(node: gossip.Gossip) -> None:
    listener = node.listen(0x0101)

    with running(lambda: echo(listener)):
        for target in (node.address, "{}:{}".format(*node.address)):
            with gossip.dial(target, 0x0101, timeout=DEADLINE) as connection:
                assert ask(connection, b"hello") == b"hello"
        listener.close()


def test_an_accepted_connection_is_a_plain_blocking_socket(node: gossip.Gossip) -> None:
    listener = node.listen(0x0101)

    with gossip.dial(node.address, 0x0101, timeout=DEADLINE) as dialled:
        connection, address = listener.accept()
        with connection:
            assert type(connection) is socket.socket
            assert address == dialled.getsockname() == connection.getpeername()
            assert connection.getsockname() == node.address
            assert connection.gettimeout() is None
            assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1
            assert not connection.get_inheritable()
            dialled.sendall(b"x")
            assert connection.recv(10) == b"x"
    listener.close()


def test_the_default_timeout_counts_for_accepted_and_dialled_connections(node: gossip.Gossip) -> None:
    listener = node.listen(0x0101)
    socket.setdefaulttimeout(5.0)
    try:
        with gossip.dial(node.address, 0x0101) as dialled, listener.accept()[0] as accepted:
            assert dialled.gettimeout() == accepted.gettimeout() == 5.0
    finally:
        socket.setdefaulttimeout(None)
        listener.close()


def test_a_member_can_be_dialled(make_node: MakeNode) -> None:
    a, b = make_node("a"), make_node("b")
    listener = b.listen(0x0101)
    pool = a.register_pool(pool_config())
    b.register_pool(pool_config()).join([a.address], timeout=DEADLINE)
    eventually(lambda: "b" in pool)

    with running(lambda: echo(listener)):
        with gossip.dial(pool.member("b"), 0x0101, timeout=DEADLINE) as connection:
            assert ask(connection, b"hello") == b"hello"
        listener.close()


def test_accept_honours_the_timeout_of_the_listener(node: gossip.Gossip) -> None:
    with node.listen(0x0101) as listener:
        listener.settimeout(0.01)
        with pytest.raises(TimeoutError):
            listener.accept()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_listener_is_readable_while_a_connection_waits(node: gossip.Gossip) -> None:
    with node.listen(0x0101) as listener:
        assert select.select([listener], [], [], 0)[0] == []
        with gossip.dial(node.address, 0x0101, timeout=DEADLINE):
            assert select.select([listener], [], [], DEADLINE)[0] == [listener]
            assert listener.pending == 1
            listener.accept()[0].close()
            assert select.select([listener], [], [], 0)[0] == []
            assert listener.pending == 0


def test_what_a_signals_handler_raises_leaves_the_descriptor_alone(
    node: gossip.Gossip, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        """The queue, when the time of an alarm is up just before something comes."""

        def take(self) -> None:
            raise TimeoutError("of the handler")

    with (
        node.listen(0x0101) as listener,
        gossip.dial(node.address, 0x0101, timeout=DEADLINE),
        gossip.dial(node.address, 0x0101, timeout=DEADLINE),
    ):
        eventually(lambda: listener.pending == 2)
        with monkeypatch.context() as patched:
            patched.setattr(listener, "_source", Interrupted())
            with pytest.raises(TimeoutError):
                listener.accept()

        for _ in range(2):
            assert select.select([listener], [], [], DEADLINE)[0] == [listener]
            listener.accept()[0].close()
        assert select.select([listener], [], [], 0)[0] == []


def test_connections_that_wait_all_arrive(node: gossip.Gossip) -> None:
    with node.listen(0x0101) as listener:
        dialled = [gossip.dial(node.address, 0x0101, timeout=DEADLINE) for _ in range(40)]
        eventually(lambda: listener.pending == 40)

        accepted = [listener.accept()[0] for _ in dialled]

        assert {one.getpeername() for one in accepted} == {one.getsockname() for one in dialled}
        for connection in dialled + accepted:
            connection.close()


def test_ids_are_checked(node: gossip.Gossip) -> None:
    with node.listen(0x0101):
        with pytest.raises(gossip.RegistrationError):
            node.listen(0x0101)
    node.listen(0x0101).close()
    for id in (0xFE00, 0xFEFF, -1, 65536):
        with pytest.raises(gossip.RegistrationError):
            node.listen(id)
        with pytest.raises(gossip.RegistrationError):
            gossip.dial(node.address, id)
    with node.listen_tcp(), pytest.raises(gossip.RegistrationError):
        node.listen_tcp()


def test_dialling_a_closed_port_is_an_error_with_a_number(make_node: MakeNode) -> None:
    node = make_node("a")
    address = node.address
    node.close()

    with pytest.raises(ConnectionRefusedError):
        gossip.dial(address, 0x0101, timeout=DEADLINE)


def test_a_taken_port_is_an_error_with_a_number(node: gossip.Gossip) -> None:
    with pytest.raises(OSError) as error:
        gossip.Gossip(gossip.Config(bind_addr="127.0.0.1", bind_port=node.address[1]))

    assert error.value.errno == errno.EADDRINUSE
    assert str(node.address[1]) in str(error.value)


def test_closing_a_listener_wakes_everyone_in_accept(node: gossip.Gossip) -> None:
    listener = node.listen(0x0101)
    ended: list[int | None] = []

    def accept() -> None:
        try:
            listener.accept()
        except OSError as error:
            ended.append(error.errno)

    with running(accept, accept, accept):
        listener.close()

    assert ended == [errno.EBADF] * 3


def test_closing_the_node_ends_its_listeners_without_a_busy_loop(make_node: MakeNode) -> None:
    node = make_node("a")
    listener = node.listen(0x0101)
    with running(lambda: list(listener)):
        node.close()

    with pytest.raises(OSError) as error:
        listener.accept()
    assert error.value.errno == errno.EBADF
    # An event loop that keeps watching hears of it once, and has peace then.
    assert select.select([listener], [], [], 0)[0] == []
    listener.close()


def test_http_server_runs_on_the_native_listener(node: gossip.Gossip) -> None:
    class Hello(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello over gossip")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(node.address, Hello, bind_and_activate=False) as httpd:
        httpd.socket.close()
        httpd.socket = node.listen_tcp()
        with running(httpd.serve_forever):
            url = "http://{}:{}/".format(*node.address)
            for _ in range(5):
                with urllib.request.urlopen(url, timeout=DEADLINE) as response:
                    assert response.read() == b"hello over gossip"
            httpd.shutdown()


def test_gossip_and_http_share_the_port(make_node: MakeNode) -> None:
    a, b = make_node("a"), make_node("b")
    listener = a.listen_tcp()
    pool = a.register_pool(pool_config())

    with running(lambda: echo(listener)):
        b.register_pool(pool_config()).join([a.address], timeout=DEADLINE)
        with gossip.dial(a.address, timeout=DEADLINE) as connection:
            assert ask(connection, b"no gossip") == b"no gossip"
        eventually(lambda: len(pool) == 2)
        listener.close()


def test_asyncio_serves_on_a_listener(node: gossip.Gossip) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async def question(number: int) -> bytes:
        connection = await asyncio.to_thread(gossip.dial, node.address, 0x0101, timeout=DEADLINE)
        reader, writer = await asyncio.open_connection(sock=connection)
        writer.write(b"line %d\n" % number)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def main() -> list[bytes]:
        async with await asyncio.start_server(serve, sock=node.listen(0x0101)) as server:
            assert server.sockets[0].getsockname() == node.address
            return await asyncio.wait_for(asyncio.gather(*map(question, range(20))), DEADLINE)

    assert asyncio.run(main(), debug=True) == [b"line %d\n" % number for number in range(20)]


def test_asyncio_accepts_from_a_listener(node: gossip.Gossip) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        with node.listen(0x0101) as listener:
            listener.setblocking(False)
            dialled = await asyncio.to_thread(gossip.dial, node.address, 0x0101, timeout=DEADLINE)
            accepted, _ = await asyncio.wait_for(loop.sock_accept(listener), DEADLINE)
            assert accepted.getpeername() == dialled.getsockname()
            accepted.close()
            dialled.close()

    asyncio.run(main())


def test_tls_does_not_wrap_a_listener(node: gossip.Gossip) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

    with node.listen_tcp() as listener, pytest.raises(NotImplementedError):
        context.wrap_socket(listener, server_side=True)


def test_datagrams_leave_from_the_shared_port_and_come_back_to_it(make_node: MakeNode) -> None:
    a, b = make_node("a"), make_node("b")
    with a.packets() as at_a, b.packets() as at_b:
        assert at_a.sendto(memoryview(b"ping"), b.address) == 4
        packet = at_b.get(timeout=DEADLINE)
        assert (packet.data, packet.address) == (b"ping", a.address)

        at_b.sendto(b"pong", "{}:{}".format(*packet.address))
        at_a.settimeout(DEADLINE)
        assert at_a.recvfrom() == (b"pong", b.address)


def test_packets_wait_like_a_socket(node: gossip.Gossip) -> None:
    with node.packets() as packets, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        with pytest.raises(TimeoutError):
            packets.get(timeout=0.01)
        packets.setblocking(False)
        with pytest.raises(BlockingIOError):
            packets.recvfrom()

        other.bind(("127.0.0.1", 0))
        other.sendto(b"one", node.address)

        assert select.select([packets], [], [], DEADLINE)[0] == [packets]
        assert packets.recvfrom() == (b"one", other.getsockname())


def test_what_looks_like_gossip_is_not_sent(node: gossip.Gossip) -> None:
    with node.packets() as packets, pytest.raises(ValueError, match="0xfe"):
        packets.sendto(b"\xfe\x01", node.address)


def test_closing_packets_ends_their_iteration(node: gossip.Gossip) -> None:
    packets = node.packets()
    with running(lambda: list(packets)):
        packets.close()


def test_socketserver_serves_datagrams(node: gossip.Gossip) -> None:
    class Upper(BaseRequestHandler):
        def handle(self) -> None:
            data, packets = self.request
            packets.sendto(data.upper(), self.client_address)

    with UDPServer(node.address, Upper, bind_and_activate=False) as server:
        server.socket.close()
        server.socket = node.packets()
        with (
            running(server.serve_forever),
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
        ):
            client.settimeout(DEADLINE)
            client.sendto(b"quiet", node.address)
            assert client.recvfrom(100) == (b"QUIET", node.address)
            server.shutdown()


def test_asyncio_speaks_datagrams(node: gossip.Gossip) -> None:
    class Upper(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: object) -> None:
            self.transport.sendto(data.upper(), addr)  # type: ignore[attr-defined]

    async def main() -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Upper, sock=node.packets())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(node.address)
            await loop.sock_sendall(client, b"quiet")
            assert await asyncio.wait_for(loop.sock_recv(client, 100), DEADLINE) == b"QUIET"
        transport.close()

    asyncio.run(main())
