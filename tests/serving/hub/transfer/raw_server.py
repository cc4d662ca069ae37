"""A server on loopback that says what it is told, byte by byte, whether that is HTTP or not."""

import socket
import threading
import time
from contextlib import contextmanager, suppress
from itertools import repeat


class RawServer:
    """What it says, and what it saw.

    Attributes:
        say: called with each connection once a request, or whatever is sent first, has arrived.
        requests: the first bytes of each connection.
        left: set when the other side has ended a connection that was still being talked to.
    """

    def __init__(self, listener):
        self.say, self.requests, self.left = lambda _: None, [], threading.Event()
        self._listener = listener
        self.port = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def run(self):
        with suppress(OSError):  # it was closed
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                self.requests.append(connection.recv(65536))
                self.say(connection)
            except OSError:
                self.left.set()


@contextmanager
def talking():
    """Run a raw server while the block runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = RawServer(listener)
        threading.Thread(target=server.run, daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


def saying(data):
    """Say this, and end the connection."""
    return lambda connection: connection.sendall(data)


def dripping(beginning, drop, pause=0.02):
    """Say the beginning, and then a drop again and again until nobody listens."""

    def say(connection):
        connection.sendall(beginning)
        for each in repeat(drop):
            connection.sendall(each)
            time.sleep(pause)

    return say
