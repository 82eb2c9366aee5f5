"""TLS on a listener, for servers that accept."""

import socket
import ssl
from typing import Any, final

from ._listener import Listener

__all__ = ["TLSListener"]


@final
class TLSListener(Listener):
    """A listener whose connections speak TLS; made by `Listener.wrap_tls`.

    The handshake takes place at the first read or write of a connection, in the thread that
    serves it: a client that dawdles keeps nobody from being accepted. A handshake that fails
    is an `ssl.SSLError` there.
    """

    def __init__(self, listener: Listener, context: ssl.SSLContext) -> None:
        socket.socket.__init__(self, fileno=listener.detach())
        # The queue and the address go along; the old object is closed, as `detach` leaves it.
        self.__dict__.update(vars(listener))
        self._context = context

    @property
    def context(self) -> ssl.SSLContext:
        """Certificates and rules for the connections."""
        return self._context

    def accept(self) -> tuple[ssl.SSLSocket, Any]:
        """Waits for a connection, as long as this socket's timeout says."""
        while True:
            connection, address = super().accept()
            try:
                secure = self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            except ConnectionError:
                # The peer is gone already: nothing that whoever accepts has to know.
                connection.close()
            except BaseException:
                connection.close()
                raise
            else:
                return secure, address
