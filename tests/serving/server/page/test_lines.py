"""The lines to copy of the page at `/`: a shell and Python make the same of them."""

import base64
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from serving.content import pictures
from tests.serving.server.page.using import Page, pixels

curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")


@pytest.fixture
def page(browser, served):
    return Page(browser, served.url)


@curl
def test_the_lines_to_copy_make_the_same(page, tmp_path):
    page.open("painter/generate")
    page.set("n", 4)
    page.go()
    for kind in ("curl", "python"):
        shell(kind, page.line(kind), tmp_path)
        sheet = np.asarray(Image.open(tmp_path / "painter.png"))
        images = np.stack([pixels(each) for each in page.images()])[..., None]
        assert (sheet == pictures.sheet(images)[..., 0]).all(), kind
        (tmp_path / "painter.png").unlink()


@curl
def test_the_lines_to_copy_name_files(page, tmp_path):
    page.open("tiny/reconstruct")
    page.press("Draw one")
    page.until("return document.querySelector('.preview img')")
    page.go()
    given = page.run("return document.querySelector('.preview a').href")
    (tmp_path / "images.png").write_bytes(base64.b64decode(given.partition(",")[2]))
    for kind in ("curl", "python"):
        shell(kind, page.line(kind), tmp_path)
        made = np.asarray(Image.open(tmp_path / "tiny.png"))
        assert (made == pixels(page.images()[0])).all(), kind
        (tmp_path / "tiny.png").unlink()


@curl
def test_the_lines_to_copy_write_the_same_text(page, tmp_path):
    pytest.importorskip("openai")
    page.open("toy/generate")
    page.set("prompt", "a é中.")
    page.set("max_new_tokens", 12)
    page.go()
    shown = page.text("shown").removeprefix("a é中.")
    streamed = shell("curl", page.line("curl"), tmp_path)
    events = [line.removeprefix("data: ") for line in streamed.splitlines() if "{" in line]
    assert "".join(json.loads(each)["choices"][0]["text"] for each in events) == shown
    assert shell("python", page.line("python"), tmp_path) == shown


@curl
@pytest.mark.parametrize("files", [False, True])
def test_no_text_breaks_out_of_the_lines(page, tmp_path, files):
    """What a shell and Python make of the lines is what the page would send."""
    page.open("tiny/generate")
    odd = """it's $HOME `id` $(id) \\ \\n "q" {0}
END
 """
    name = "a 'file' $x.png"
    (tmp_path / name).write_bytes(b"PNG")
    made = page.browser.execute_async_script(
        "const done = arguments[arguments.length - 1]; const [odd, name, files] = arguments;"
        "const at = (path) => new URL(path, document.baseURI);"
        "Promise.all([import(at('page/lines.js')), import(at('page/uploads.js'))])"
        ".then(([{ lines }, { GivenFile }]) => {"
        " const body = { odd, [odd]: [true, null, 1.5, [odd]] };"
        " if (files) body.file = new GivenFile(name, 'data:image/png;base64,UE5H');"
        " done([lines({ url: 'http://x/y', body, keyed: false, kind: 'text/plain' }), body]); })",
        odd, name, files,
    )  # fmt: skip
    lines, body = made
    if files:
        body["file"] = "data:image/png;base64,UE5H"
    curl = 'curl() { [ "${@: -1}" = @- ] && cat || printf %s "${@: -1}"; }\n'
    assert json.loads(shell("curl", curl + lines["curl"], tmp_path)) == body
    requests = """
import json, sys, types
def post(url, headers, json):
    text = __import__("json").dumps(json)
    return types.SimpleNamespace(text=text, raise_for_status=lambda: None)
sys.modules["requests"] = types.SimpleNamespace(post=post)
"""
    assert json.loads(shell("python", requests + lines["python"], tmp_path)) == body


def shell(kind, line, folder):
    command = ["bash", "-ec", line] if kind == "curl" else [sys.executable, "-c", line]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout
