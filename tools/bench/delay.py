"""A proxy that lets everything through a fixed time later, as a network between two machines does.

    python delay.py HOST PORT SECONDS

It prints `Listening on PORT`, takes connections on loopback and passes each on. What arrives in one direction arrives
at the other end `SECONDS` later, in order, whatever is still under way before it. It ends when its input does.
"""

from __future__ import annotations

import queue
import socket
import sys
import threading
import time

_AT_ONCE = 1 << 18


def _pass_on(from_: socket.socket, to: socket.socket, seconds: float) -> None:
    """One direction: a thread that reads, and one that writes what has been under way long enough."""
    under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()

    def read() -> None:
        data = b"-"
        while data:
            try:
                data = from_.recv(_AT_ONCE)
            except OSError:
                data = b""
            under_way.put((time.monotonic() + seconds, data))

    def write() -> None:
        while True:
            at, data = under_way.get()
            if (wait := at - time.monotonic()) > 0:
                time.sleep(wait)
            try:
                if not data:
                    to.shutdown(socket.SHUT_WR)
                    return
                to.sendall(data)
            except OSError:
                return

    threading.Thread(target=read, daemon=True).start()
    threading.Thread(target=write, daemon=True).start()


def _accept(listening: socket.socket, host: str, port: int, seconds: float) -> None:
    while True:
        caller, _ = listening.accept()
        server = socket.create_connection((host, port)) if not host.startswith("/") else _unix(host, port)
        for one in (caller, server):
            if one.family != socket.AF_UNIX:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _pass_on(caller, server, seconds)
        _pass_on(server, caller, seconds)


def _unix(folder: str, port: int) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(f"{folder}/.s.PGSQL.{port}")
    return connection


def main() -> None:
    """The program."""
    host, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"Listening on {listening.getsockname()[1]}\n")
    sys.stdout.flush()
    threading.Thread(target=_accept, args=(listening, host, port, seconds), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
