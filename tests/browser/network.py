"""A network between a browser and a server that can be switched off: every connection breaks, and no new one is made.

A browser's own offline switch does not reach its shared workers, a cut wire does.
"""

import contextlib
import socket
import threading
from collections.abc import Iterator


class Network:
    """Hands on the bytes of every connection to `port`, as long as it is on."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self._up = threading.Event()
        self._up.set()
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port: int = self._door.getsockname()[1]

    def off(self) -> None:
        with self._lock:
            self._up.clear()
            for end in self._sockets:
                _cut(end)

    def on(self) -> None:
        self._up.set()

    def lead_to(self, port: int) -> None:
        """Every connection breaks, and new ones lead there."""
        self.off()
        self._server = ("127.0.0.1", port)
        self.on()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._server)
        except OSError:
            client.close()
            return
        with self._lock:
            self._sockets |= {client, server}
            if not self._up.is_set():
                _cut(client)
        threading.Thread(target=self._serve, args=[client, server], daemon=True).start()

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        """One connection, until either end has closed it."""
        with client, server:
            back = threading.Thread(target=_hand_on, args=[server, client], daemon=True)
            back.start()
            _hand_on(client, server)
            back.join()
            with self._lock:
                self._sockets -= {client, server}

    @classmethod
    @contextlib.contextmanager
    def to(cls, port: int) -> Iterator["Network"]:
        network = cls(port)
        listener = threading.Thread(target=network._listen, daemon=True)
        listener.start()
        try:
            yield network
        finally:
            _cut(network._door)
            network._door.close()
            network.off()
            listener.join(10)


def _hand_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    _cut(source)
    _cut(target)


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
