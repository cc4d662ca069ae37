"""A web server on loopback that serves a folder, and fails on request."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server:
    """What the server does, and what it saw.

    Attributes:
        url: its address.
        fault: called with the handler, the file's bytes and where to begin; it may answer in its
            own way and return True, or return False for the right answer.
        requests: (path, Range header or None) of every request, in order.
    """

    def __init__(self, folder):
        self.folder, self.requests, self.fault = folder, [], lambda *_: False
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.requests.append((self.path, self.headers.get("Range")))
                path = server.folder / self.path.lstrip("/")
                data = path.read_bytes() if path.is_file() else None
                start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
                if server.fault(self, data, start):
                    return
                if data is None:
                    self.send_error(404)
                    return
                answer(self, data, start)

            def log_message(self, *_):
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = self._http.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def secure(self, context):
        """Talk TLS from now on."""
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)

    def served(self):
        """Return how often each path was asked for."""
        return Counter(path for path, _ in self.requests)

    def start(self):
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self):
        self._http.shutdown()
        self._http.server_close()


@contextmanager
def serving_folder(folder):
    """Serve a folder while the block runs."""
    server = Server(folder).start()
    try:
        yield server
    finally:
        server.stop()


def head(handler, data, start, length=None):
    """Send the right headers for what follows `start`."""
    handler.send_response(206 if start else 200)
    if start:
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    handler.send_header("Content-Length", str(len(data) - start if length is None else length))
    handler.end_headers()


def answer(handler, data, start):
    """Send the right answer."""
    head(handler, data, start)
    handler.wfile.write(data[start:])


def cut_at(*positions):
    """Close the connection at each position of a file, the first time it is reached."""
    left = list(positions)

    def fault(handler, data, start):
        if data is None or not left:
            return False
        head(handler, data, start)
        handler.wfile.write(data[start : left.pop(0)])
        handler.close_connection = True
        return True

    return fault


def status(code, times=None, **headers):
    """Answer with a status, some times or always."""
    left = [times]

    def fault(handler, *_):
        if left[0] == 0:
            return False
        left[0] = None if left[0] is None else left[0] - 1
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    return fault


def drip(pause):
    """Send a byte at a time."""

    def fault(handler, data, start):
        head(handler, data, start)
        try:
            for byte in data[start:]:
                handler.wfile.write(bytes([byte]))
                handler.wfile.flush()
                time.sleep(pause)
        except OSError:
            pass  # the other side has had enough
        return True

    return fault
