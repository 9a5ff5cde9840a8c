"""Whoever writes and reads streams in a measurement: the same program for every server, in a process of its own.

    python -m benchmarks.measure.load WORK ROOT HEADERS ARGUMENTS

Works at a server of Durable Streams whose streams are below the URL `ROOT`, and prints what it found as JSON. One
thread, blocking sockets and a selector, so that what a client costs is little, and for each server the same. Each event
says its number and when it was sent, of a clock that the processes of a machine share.
"""

import contextlib
import http.client
import json
import re
import resource
import selectors
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

EVENT_BYTES = 150
JSON = {"Content-Type": "application/json"}
EVENT = re.compile(rb'\{"n":(\d+),"sent":([\d.]+),"pad":"x*"\}')
WRITERS = 16
PATIENCE = 120.0
"""Seconds after which nothing comes any more."""


def event(n: int, size: int = EVENT_BYTES) -> bytes:
    start = f'{{"n":{n},"sent":{time.monotonic():.6f},"pad":"'
    return (start + "x" * (size - len(start) - 2) + '"}').encode()


class Server:
    """A server of Durable Streams; paths are those of its streams."""

    def __init__(self, root: str, headers: dict[str, str]) -> None:
        url = urlsplit(root)
        assert url.hostname and url.port
        self.address = url.hostname, url.port
        self._root = url.path
        self.headers = headers

    def connect(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
    ) -> http.client.HTTPResponse:
        connection.request(method, self._root + path, body, self.headers | (JSON if body is not None else {}))
        answer = connection.getresponse()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.read()!r}")
        return answer

    def raw(self, method: str, path: str, body: bytes | None = None) -> bytes:
        """A request as it goes over the wire."""
        headers = {"Host": "{}:{}".format(*self.address)} | self.headers
        if body is not None:
            headers |= JSON | {"Content-Length": str(len(body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {self._root}{path} HTTP/1.1\r\n{lines}\r\n".encode() + (body or b"")

    def create(self) -> str:
        """The path of a new stream."""
        path = f"measured/{uuid.uuid4().hex}"
        connection = self.connect()
        self.ask(connection, "PUT", path, b"").read()
        connection.close()
        return path


# Appending


def append(server: Server, times: int) -> list[float]:
    """Milliseconds of each append of one event, one after the other."""
    path, connection = server.create(), server.connect()
    took: list[float] = []
    for n in range(times + 50):
        body = event(n)
        begun = time.perf_counter()
        server.ask(connection, "POST", path, body).read()
        took.append((time.perf_counter() - begun) * 1000)
    return took[50:]


def fill(server: Server, events: int, size: int = EVENT_BYTES) -> str:
    """A stream of so many events, each appended by a request of its own, several at once."""
    path, numbers = server.create(), iter(range(events))
    next_number = threading.Lock()

    def write() -> None:
        connection = server.connect()
        while True:
            with next_number:
                n = next(numbers, None)
            if n is None:
                return
            server.ask(connection, "POST", path, event(n, size)).read()

    threads = [threading.Thread(target=write) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return path


def fill_quickly(server: Server, events: int) -> dict[str, str]:
    """A stream of so many events, a thousand in a request, and a hundred more behind the offset that is told."""
    path, connection, offset = server.create(), server.connect(), ""
    for first in range(0, events, 1000):
        body = b"[" + b",".join(event(n) for n in range(first, first + 1000)) + b"]"
        answer = server.ask(connection, "POST", path, body)
        answer.read()
        offset = answer.headers["Stream-Next-Offset"]
    for n in range(events, events + 100):
        server.ask(connection, "POST", path, event(n)).read()
    return {"path": path, "offset": offset}


# Following


class Crowd:
    """Many readers of one stream that is followed live, and its writer, by one selector."""

    def __init__(self, server: Server, path: str, size: int) -> None:
        self._server = server
        self._path = path
        self._selector = selectors.DefaultSelector()
        self._rest: dict[int, bytes] = {}
        self._seen: dict[int, int] = {}
        self.out_of_order = 0
        self.late: list[float] = []
        for _ in range(size):
            self._join()
        self._writer = socket.create_connection(server.address)
        self._writer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._writer.setblocking(False)

    def _join(self) -> None:
        reader = socket.create_connection(self._server.address)
        reader.settimeout(PATIENCE)
        reader.sendall(self._server.raw("GET", f"{self._path}?offset=now&live=sse"))
        heard = b""
        while b"upToDate" not in heard:
            more = reader.recv(65536)
            assert more, heard
            heard += more
        reader.setblocking(False)
        self._rest[reader.fileno()] = b""
        self._seen[reader.fileno()] = 0
        self._selector.register(reader, selectors.EVENT_READ)

    def send(self, n: int) -> None:
        """An event; its answer is read when the next one is sent."""
        with contextlib.suppress(BlockingIOError):
            self._writer.recv(65536)
        self._writer.send(self._server.raw("POST", self._path, event(n)))

    def hear(self, n: int, until: float) -> bool:
        """Whether all have event `n` before that moment."""
        missing = sum(seen <= n for seen in self._seen.values())
        while missing and (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                reader, number = key.fileobj, key.fd
                assert isinstance(reader, socket.socket)
                data = reader.recv(65536)
                now = time.monotonic()
                if not data:
                    self._selector.unregister(reader)
                    continue
                heard = self._rest[number] + data
                end = 0
                for found in EVENT.finditer(heard):
                    end = found.end()
                    self.late.append((now - float(found[2])) * 1000)
                    self.out_of_order += int(found[1]) != self._seen[number]
                    self._seen[number] += 1
                    missing -= self._seen[number] == n + 1
                self._rest[number] = heard[max(end, len(heard) - 2 * EVENT_BYTES) :]
        return not missing

    def lost(self, events: int) -> int:
        return sum(events - seen for seen in self._seen.values())

    def close(self) -> None:
        for key in [*self._selector.get_map().values()]:
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self._writer.close()


def follow(server: Server, readers: int, events: int, interval: float) -> dict[str, Any]:
    """Milliseconds from each event's sending to each reader's having it; the next is sent when all have the last."""
    _open_many(readers)
    crowd = Crowd(server, server.create(), readers)
    for n in range(events):
        begun = time.monotonic()
        crowd.send(n)
        if not crowd.hear(n, begun + PATIENCE):
            break
        time.sleep(max(0, begun + interval - time.monotonic()))
    found = {"late": crowd.late[readers:], "lost": crowd.lost(events), "disorder": crowd.out_of_order}
    crowd.close()
    return found


def stall(server: Server, readers: int, megabytes: int, size: int) -> int:
    """Readers who take nothing, while so much is appended; how many bytes that was."""
    path = server.create()
    stalled: list[socket.socket] = []
    for _ in range(readers):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(server.address)
        reader.sendall(server.raw("GET", f"{path}?offset=now&live=sse"))
        reader.settimeout(PATIENCE)
        assert reader.recv(100)
        stalled.append(reader)
    connection, sent = server.connect(), 0
    while sent < megabytes << 20:
        server.ask(connection, "POST", path, event(sent, size)).read()
        sent += size
    time.sleep(1)  # what is on its way to them
    for reader in stalled:
        reader.close()
    return sent


# Catching up


def pages(server: Server, path: str) -> Iterator[bytes]:
    """All that there is, a page after the other."""
    connection, offset = server.connect(), "-1"
    while True:
        answer = server.ask(connection, "GET", f"{path}?offset={offset}")
        yield answer.read()
        if answer.headers["Stream-Up-To-Date"]:
            return
        offset = answer.headers["Stream-Next-Offset"]


def streamed(server: Server, path: str) -> Iterator[bytes]:
    """All that there is, as an event stream."""
    connection = server.connect()
    answer = server.ask(connection, "GET", f"{path}?offset=-1&live=sse")
    end = b""
    while b'"upToDate":true' not in end:
        data = answer.read1(65536)
        assert data
        yield data
        end = end[-100:] + data
    connection.close()


def catch_up(server: Server, path: str, events: int, live: bool) -> float:
    """Events a second, of a reader who has nothing."""
    begun = time.perf_counter()
    got = [*(streamed if live else pages)(server, path)]
    took = time.perf_counter() - begun
    found = EVENT.findall(b"".join(got))
    assert sorted(int(n) for n, _ in found) == [*range(events)], f"{len(found)} events of {events}"
    return events / took


def resume(server: Server, path: str, times: int) -> list[float]:
    """Milliseconds from a new connection to the first event that comes, of whatever event stream this is."""
    took: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        reader = socket.create_connection(server.address, timeout=PATIENCE)
        reader.sendall(server.raw("GET", path))
        heard = b""
        while b'"n":' not in heard and b'"delta"' not in heard:
            more = reader.recv(65536)
            assert more, heard
            heard += more
        took.append((time.perf_counter() - begun) * 1000)
        reader.close()
    return took


def probe(server: Server, path: str, seconds: float) -> list[float]:
    """Milliseconds of each answer to the same question, asked again and again."""
    connection, took = server.connect(), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        begun = time.perf_counter()
        server.ask(connection, "GET", path).read()
        took.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.01)
    return took


def _open_many(files: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, files + 100)), hard))


WORK: dict[str, Callable[..., Any]] = {
    work.__name__: work for work in (append, fill, fill_quickly, follow, stall, catch_up, resume, probe)
}


if __name__ == "__main__":
    name, root, headers, arguments = sys.argv[1:]
    print(json.dumps(WORK[name](Server(root, json.loads(headers)), *json.loads(arguments))))
