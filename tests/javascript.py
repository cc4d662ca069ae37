"""JavaScript as users run it: packages of npm beside the snippets of the documentation."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from serving.bundle.manifest import read_manifest

SNIPPETS = Path(__file__).parent.parent / "docs/snippets"
UNREACHABLE = re.compile(r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|network|proxy")


def installed(folder, package):
    """Install a package in a folder, with the snippets beside it; skip where that cannot be."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("there is no node with npm on this machine")
    # Install scripts would fetch the libraries for CUDA; those for the CPU are in the package.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = run("npm", "install", *options, "--prefix", folder, package, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package registry cannot be reached for {package}")
    assert done.returncode == 0, done.stderr
    for snippet in (*SNIPPETS.glob("*.mjs"), *SNIPPETS.glob("*.html")):
        shutil.copy(snippet, folder)
    return folder


def run(*command, check=True):
    """Run a program, which must succeed unless that is not asked for."""
    command = [*map(str, command)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder to browsers: the address."""
    handler = partial(_Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def unpacked(bundle, folder):
    """Unpack the test vectors of a bundle as the documentation says: the folder."""
    run(sys.executable, SNIPPETS / "unpack_vectors.py", bundle, folder)
    return folder


def in_node(node, bundle, tmp_path):
    """Run a bundle's graphs on their test vectors in Node: the lines of check.mjs."""
    return node("check.mjs", bundle, unpacked(bundle, tmp_path / "vectors")).stdout.splitlines()


def in_browser(browser, web, bundle, tmp_path):
    """Run a bundle's graphs on their test vectors in a browser: the lines of check.html."""
    from selenium.webdriver.support.wait import WebDriverWait

    place = tmp_path / "page"
    place.mkdir()
    (place / "node_modules").symlink_to(web / "node_modules")
    (place / "model").symlink_to(bundle)
    unpacked(bundle, place / "vectors")
    for name in ("check.html", "vectors.mjs"):
        shutil.copy(SNIPPETS / name, place)
    with served(place) as address:
        browser.get(f"{address}/check.html")
        status = browser.find_element("tag name", "p")
        WebDriverWait(browser, 120).until(lambda _: status.text != "…")
        lines = browser.find_element("tag name", "pre").text.splitlines()
        assert status.text == "all ok", f"{status.text}\n{lines}"
    return lines


def passed(lines):
    """Return the (variant, file) that lines of a check say are right."""
    return {tuple(line.split()[1:3]) for line in lines if line.startswith("ok ")}


def assert_vectors(bundle, node, browser, web, tmp_path):
    """Every graph of a bundle gives its test vectors in Node and in a browser."""
    graphs = {
        (name, graph)
        for name, variant in read_manifest(bundle).variants.items()
        for graph in variant.graphs.values()
    }
    assert passed(in_node(node, bundle, tmp_path)) == graphs
    assert passed(in_browser(browser, web, bundle, tmp_path)) == graphs
