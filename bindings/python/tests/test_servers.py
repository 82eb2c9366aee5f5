"""Servers of others on the gossip port, by real requests, while two nodes gossip."""

import asyncio
import concurrent.futures
import errno
import os
import socket
import ssl
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
from conftest import MakeNode
from support import DEADLINE, need

import gossip
from gossip import aio

BODY = b"hello over gossip"
REQUESTS = 40


@contextmanager
def thread(target: Callable[[], object]) -> Iterator[threading.Thread]:
    """Runs in a thread, which has ended at the end."""
    errors: list[BaseException] = []

    def run() -> None:
        try:
            target()
        except BaseException as error:
            errors.append(error)

    running = threading.Thread(target=run)
    running.start()
    try:
        yield running
    finally:
        running.join(DEADLINE)
        assert not running.is_alive() and errors == []


@contextmanager
def in_loop(
    main: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Iterator[None]:
    """Runs a coroutine in a loop of its own until the end, of which its event tells."""
    started = threading.Event()
    stop: list[Callable[[], None]] = []

    async def run() -> None:
        ending = asyncio.Event()
        running = asyncio.get_running_loop()
        stop.append(lambda: running.call_soon_threadsafe(ending.set))  # type: ignore[arg-type]
        started.set()
        await main(ending)

    def runner() -> None:
        with asyncio.Runner(debug=True, loop_factory=loop) as runner:
            runner.run(run())

    with thread(runner):
        assert started.wait(DEADLINE)
        try:
            yield
        finally:
            stop[0]()


def wsgi(environ: dict[str, Any], start: Callable[..., object]) -> list[bytes]:
    """An application."""
    start("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))])
    return [BODY]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"17")]})
    await send({"type": "http.response.body", "body": BODY})


class Handler(BaseHTTPRequestHandler):
    """An application."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, format: str, *args: object) -> None:
        pass


async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """An application."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(BODY), BODY))
    await writer.drain()
    writer.close()
    await writer.wait_closed()


@contextmanager
def http_server(listener: gossip.Listener, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    with ThreadingHTTPServer(listener.address, Handler, bind_and_activate=False) as httpd:
        httpd.socket.close()
        httpd.socket = listener.wrap_tls(tls) if tls else listener
        with thread(lambda: httpd.serve_forever(0.01)):
            try:
                yield
            finally:
                httpd.shutdown()


@contextmanager
def wsgiref_server(listener: gossip.Listener) -> Iterator[None]:
    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    with WSGIServer(listener.address, Quiet, bind_and_activate=False) as httpd:
        httpd.socket.close()
        httpd.socket = listener
        httpd.server_name, httpd.server_port = listener.address
        httpd.setup_environ()
        httpd.set_app(wsgi)
        with thread(lambda: httpd.serve_forever(0.01)):
            try:
                yield
            finally:
                httpd.shutdown()


@contextmanager
def asyncio_server(listener: gossip.Listener, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    async def main(ending: asyncio.Event) -> None:
        async with await asyncio.start_server(stream, sock=listener, ssl=tls):
            await ending.wait()

    with in_loop(main):
        yield


@contextmanager
def aio_server(
    listener: gossip.Listener,
    tls: ssl.SSLContext | None = None,
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Iterator[None]:
    async def main(ending: asyncio.Event) -> None:
        async with await aio.start_server(stream, listener, ssl=tls):
            await ending.wait()

    with in_loop(main, loop):
        yield


def aio_server_on_uvloop(
    listener: gossip.Listener, tls: ssl.SSLContext | None = None
) -> AbstractContextManager[None]:
    return aio_server(listener, tls, need("uvloop").new_event_loop)


@contextmanager
def uvicorn_server(listener: gossip.Listener) -> Iterator[None]:
    uvicorn = need("uvicorn")
    server = uvicorn.Server(uvicorn.Config(asgi, loop="asyncio", log_config=None))

    async def main(ending: asyncio.Event) -> None:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await ending.wait()
        server.should_exit = True
        await serving

    with in_loop(main):
        yield


@contextmanager
def contrib_uvicorn(
    listener: gossip.Listener,
    loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop,
) -> Iterator[None]:
    need("uvicorn")
    from gossip.contrib.uvicorn import serve

    async def main(ending: asyncio.Event) -> None:
        serving = asyncio.create_task(serve(asgi, listener, log_config=None))
        await ending.wait()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    with in_loop(main, loop):
        yield


def contrib_uvicorn_on_uvloop(listener: gossip.Listener) -> AbstractContextManager[None]:
    return contrib_uvicorn(listener, need("uvloop").new_event_loop)


@contextmanager
def aiohttp_server(listener: gossip.Listener) -> Iterator[None]:
    web = need("aiohttp.web")

    async def hello(request: Any) -> Any:
        return web.Response(body=BODY)

    async def main(ending: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_get("/", hello)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await ending.wait()
        await runner.cleanup()

    with in_loop(main):
        yield


@contextmanager
def hypercorn_server(listener: gossip.Listener) -> Iterator[None]:
    serve, configs = need("hypercorn.asyncio").serve, need("hypercorn.config")

    class OnListener(configs.Config):  # type: ignore[misc,name-defined]
        def create_sockets(self) -> Any:
            return configs.Sockets([], [listener], [])

    async def main(ending: asyncio.Event) -> None:
        config = OnListener()
        config.errorlog = None
        await serve(asgi, config, shutdown_trigger=ending.wait)

    with in_loop(main):
        yield


@contextmanager
def waitress_server(listener: gossip.Listener) -> Iterator[None]:
    waitress = need("waitress")
    sockets: dict[int, Any] = {}
    server = waitress.create_server(wsgi, map=sockets, sockets=[listener])
    with thread(lambda: server.asyncore.loop(0.01, map=sockets)):
        try:
            yield
        finally:
            # In waitress's own thread: it watches until nothing is left.
            server.trigger.pull_trigger(lambda: [each.close() for each in list(sockets.values())])
    server.task_dispatcher.shutdown()


SERVERS: list[Callable[[gossip.Listener], AbstractContextManager[None]]] = [
    http_server,
    wsgiref_server,
    asyncio_server,
    aio_server,
    aio_server_on_uvloop,
    uvicorn_server,
    contrib_uvicorn,
    contrib_uvicorn_on_uvloop,
    aiohttp_server,
    hypercorn_server,
    waitress_server,
]


def get(address: tuple[str, int], tls: ssl.SSLContext | None = None) -> bytes:
    scheme = "https" if tls else "http"
    with urllib.request.urlopen(
        "{}://{}:{}/".format(scheme, *address), timeout=DEADLINE, context=tls
    ) as response:
        body: bytes = response.read()
        return body


def get_many(address: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as clients:
        answers = clients.map(lambda _: get(address, tls), range(REQUESTS))
        assert list(answers) == [BODY] * REQUESTS


@pytest.mark.parametrize("serve", SERVERS, ids=lambda serve: serve.__name__)
def test_servers_run_on_the_native_listener(
    gossiping: gossip.Gossip, serve: Callable[[gossip.Listener], AbstractContextManager[None]]
) -> None:
    # Asked before the server is ready, clients wait; the listener is there already.
    with gossiping.listen_tcp() as listener, serve(listener):
        get_many(gossiping.address)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    try:
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-keyout", "key.pem", "-out", "certificate.pem", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=IP:127.0.0.1"],
            cwd=folder, check=True, capture_output=True, timeout=60,
        )  # fmt: skip
    except FileNotFoundError:
        if os.environ.get("CI") == "true":
            pytest.fail("no openssl")
        pytest.skip("no openssl")
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "certificate.pem").read_text())
    return both


@pytest.mark.parametrize(
    "serve", [http_server, asyncio_server, aio_server, aio_server_on_uvloop], ids=lambda serve: serve.__name__
)
def test_tls_on_the_gossip_port(
    gossiping: gossip.Gossip,
    certificate: Path,
    serve: Callable[[gossip.Listener, ssl.SSLContext], AbstractContextManager[None]],
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    # Closed also where a server is missing and the test is skipped.
    with gossiping.listen_tcp() as listener, serve(listener, context):
        get_many(gossiping.address, ssl.create_default_context(cafile=str(certificate)))


def test_a_client_that_dawdles_in_its_handshake_keeps_nobody_waiting(
    node: gossip.Gossip, certificate: Path
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with node.listen_tcp() as listener, http_server(listener, context):
        with socket.create_connection(node.address) as dawdler:
            # The beginning of a handshake, of which the rest does not come.
            dawdler.sendall(b"\x16\x03\x01")
            get(node.address, ssl.create_default_context(cafile=str(certificate)))


def test_a_tls_listener_takes_the_place_of_the_listener(node: gossip.Gossip, certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    plain = node.listen(0x0101)
    with plain.wrap_tls(context) as secure:
        assert isinstance(secure, gossip.TLSListener)
        assert (plain.fileno(), secure.id, secure.address) == (-1, 0x0101, node.address)
        assert secure.context is context
        with pytest.raises(OSError) as told:
            plain.accept()
        assert told.value.errno == errno.EBADF
        plain.close()
        with pytest.raises(gossip.RegistrationError):
            node.listen(0x0101)
    node.listen(0x0101).close()


def test_tls_between_members_on_an_id(make_node: MakeNode, certificate: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    trusting = ssl.create_default_context(cafile=str(certificate))
    node = make_node("a")

    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            writer.close()

        async with await aio.start_server(echo, node.listen(0x0101), ssl=context) as server:
            reader, writer = await aio.open_connection(node.address, 0x0101, ssl=trusting)
            writer.write(b"secret\n")
            assert await reader.readline() == b"secret\n"
            writer.close()
            # Who speaks no TLS is closed, and the server goes on.
            reader, writer = await aio.open_connection(node.address, 0x0101)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await reader.read() == b""
            writer.close()
            assert server.is_serving()

    asyncio.run(asyncio.wait_for(main(), DEADLINE), debug=True)


def test_uvloop_is_told_apart_before_it_waits_for_ever(node: gossip.Gossip) -> None:
    uvloop = need("uvloop")

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with node.listen_tcp() as listener, node.packets() as packets, listener.share() as shared:
            for sock in (listener, shared):
                with pytest.raises(RuntimeError, match=r"gossip\.aio\.start_server"):
                    await asyncio.start_server(stream, sock=sock)
            with pytest.raises(RuntimeError, match="uvloop"):
                await loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=packets)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
