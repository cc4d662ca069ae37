"""The commands: what they print, and one line for each mistake."""

import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from serving.commands import app as cli
from tests.serving import tiny_bundle

COMMANDS = ["list", "generate", "pull", "verify", "card", "bench"]


def test_list(genzoo, catalogued):
    code, out, _ = genzoo("list")
    heading, row = out.splitlines()
    assert code == 0 and heading.split()[:2] == ["name", "family"]
    assert row.split()[:2] == ["tiny", "vae"] and "nll 12.5 nats/image" in row and "fp32" in row


def test_list_json(genzoo, catalogued):
    _, out, _ = genzoo("list", "--json")
    assert json.loads(out)["tiny"]["files"]["bundle.json"]["bytes"] > 0


def test_generate_writes_a_grid_named_after_the_model(genzoo, tiny, tmp_path):
    code, out, err = genzoo("generate", tiny, "-n", 9, "--seed", 7)
    assert (code, err) == (0, "")
    assert out == "tiny.png: 9 images from tiny (fp32 on cpu, seed 7)\n"
    assert Image.open(tmp_path / "tiny.png").size == (16, 16)


def test_generate_writes_on_from_a_prompt(genzoo, text, tmp_path):
    import serving

    options = ["--prompt", "abc", "--max-new-tokens", 12, "--temperature", 0.5, "--top-k", 9]
    code, out, err = genzoo("generate", text, *options, "--top-p", 0.9, "--seed", 7)
    written = serving.load(text, device="cpu").generate(
        "abc", 12, temperature=0.5, top_k=9, top_p=0.9, seed=7
    )
    assert (code, out) == (0, f"abc{written}\n")
    assert err == "1 text from toy (fp32 on cpu, seed 7)\n"
    said = genzoo("generate", text, *options, "--top-p", 0.9, "--seed", 7, "--out", "a/b.txt")
    assert said == (0, "a/b.txt: 1 text from toy (fp32 on cpu, seed 7)\n", "")
    assert (tmp_path / "a/b.txt").read_text(encoding="utf-8") == f"abc{written}\n"


def test_generate_several_texts_of_as_many_seeds(genzoo, text):
    alone = [genzoo("generate", text, "--seed", seed, "--prompt", "a")[1] for seed in (8, 9)]
    assert (
        "\n\n---\n".join(part[:-1] for part in alone) + "\n"
        == (genzoo("generate", text, "-n", 2, "--seed", 8, "--prompt", "a")[1])
    )
    assert genzoo("generate", text, "-n", 20, "--max-new-tokens", 2)[1].count("---") == 19


def test_text_cannot_command_the_terminal(genzoo, text, monkeypatch):
    from serving.families import gpt

    monkeypatch.setattr(gpt.GPT, "stream", lambda *_, **__: iter(["a\x1b[2J\tb"]))
    assert genzoo("generate", text, "--prompt", "c")[1] == "ca\ufffd[2J\tb\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--label", 1], "--label does not apply to toy; leave it out"),
        (["--prompt", "xyz"], "does not know: 'x', 'y', 'z'"),
        (["--temperature", -1], "temperature is -1.0"),
        (["--top-k", 99], "top_k is 99"),
        (["--top-p", 2], "top_p is 2.0"),
        (["--max-new-tokens", 0], "max_new_tokens is 0"),
        (["--seed", -1], "seed is -1"),
        (["-n", 0], "n is 0"),
        (["--out", "."], ". is a folder; expected the name of a file"),
    ],
)
def test_usage_errors_of_text_are_one_line(genzoo, text, tmp_path, arguments, words):
    code, out, err = genzoo("generate", text, *arguments)
    assert (code, out) == (2, "") and words in err
    assert err.startswith("genzoo: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_bench_counts_tokens(genzoo, text):
    _, out, _ = genzoo("bench", text, "--batch", 2, "--seconds", 0)
    head, *rows = out.splitlines()[1:]
    assert head.split()[-1] == "tokens/s"
    assert [row.split()[0] for row in rows] == ["read", "write", "generate"]


def test_generate_by_name_label_and_variant(genzoo, conditional, tiny, tmp_path):
    assert genzoo("generate", conditional, "-n", 3, "--label", 1, "--out", "a.npy")[0] == 0
    assert np.load(tmp_path / "a.npy").shape == (3, *tiny_bundle.SHAPE)
    assert "fp16 on cpu" in genzoo("generate", tiny, "--variant", "fp16", "--out", "a.npz")[1]


def test_generated_images_are_the_apis(genzoo, tiny, tmp_path):
    import serving

    genzoo("generate", tiny, "-n", 5, "--seed", 3, "--out", "a.npy")
    wanted = serving.load(tiny, device="cpu").generate(5, seed=3)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), wanted)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["generate", "tinny"],
            "no model and no directory is called 'tinny'; did you mean 'tiny'?",
        ),
        (["generate", "tiny", "-n", 0], "n is 0; expected a whole number from 1"),
        (["generate", "tiny", "-n", -5], "n is -5"),
        (["generate", "tiny", "-n", 10**15], "too many for one picture"),
        (["generate", "tiny", "-n", 10**15, "--out", "x.npy"], "too many for one array"),
        (["generate", "tiny", "--label", 1], "takes no labels"),
        (["generate", "tiny", "--seed", -1], "seed is -1"),
        (["generate", "tiny", "--prompt", "a"], "--prompt does not apply to tiny; leave it out"),
        (["generate", "tiny", "--top-k", 4], "--top-k does not apply to tiny; leave it out"),
        (["generate", "tiny", "--out", "x.jpg"], "expected a name in .png"),
        (["generate", "tiny", "--device", "tpu"], "expected auto, cpu or cuda"),
        (["generate", "tiny", "--variant", "int2"], "has no variant 'int2'; it has fp32"),
        (["generate", "tiny", "--threads", 0], "threads is 0"),
        (["pull", "."], "is a directory; expected a name"),
        (["pull", "tiny", "--variant", "x"], "has no variant 'x'"),
        (["card", "nothing"], "no model and no directory"),
        (["verify", "nothing"], "no model and no directory"),
        (["bench", "tiny", "--batch", 0], "batch is 0"),
    ],
)
def test_usage_errors_are_one_line_and_exit_2(genzoo, catalogued, tmp_path, arguments, words):
    code, out, err = genzoo(*arguments)
    assert (code, out) == (2, "") and words in err
    assert err.startswith("genzoo: ") and err.count("\n") == 1
    assert not {path.name for path in tmp_path.iterdir()} - {"models", "index.json"}


@pytest.mark.parametrize("arguments", [["generate"], ["generate", "x", "-n", "many"], ["paint"]])
def test_malformed_command_lines_exit_2(genzoo, arguments):
    code, _, err = genzoo(*arguments)
    assert code == 2 and "Traceback" not in err


def test_failures_exit_1(genzoo, own):
    (own / "decoder.onnx").write_bytes(b"")
    code, _, err = genzoo("generate", own)
    assert code == 1 and err.count("\n") == 1 and "has 0 bytes" in err
    code, out, err = genzoo("verify", own)
    assert code == 1 and "FAILED file decoder.onnx" in out and "failed 3 checks" in err


def test_the_systems_errors_are_one_line_too(genzoo, tiny, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = genzoo("generate", tiny, "--out", "file/x.png")
    assert code == 1 and err.count("\n") == 1 and err.startswith("genzoo: ")


def test_warnings_are_one_line(genzoo, tiny, monkeypatch):
    import warnings

    from serving.families import vae

    draw = vae.VAE._pixels

    def warn(*arguments):
        warnings.warn("take care", RuntimeWarning, stacklevel=1)
        return draw(*arguments)

    monkeypatch.setattr(vae.VAE, "_pixels", warn)
    assert genzoo("generate", tiny, "-n", 1)[2] == "genzoo: warning: take care\n"


def test_verify_card_and_pull(genzoo, catalogued):
    code, out, _ = genzoo("verify", "tiny")
    assert code == 0 and out.endswith("tiny is good\n") and "ok     results fp32" in out
    assert genzoo("card", "tiny")[1].startswith("# tiny")
    assert str(catalogued) in genzoo("pull", "tiny", "--variant", "fp32")[1]
    (catalogued / "encoder.onnx").unlink()
    assert genzoo("pull", "tiny")[0] == 1


def test_a_card_cannot_command_the_terminal(genzoo, own):
    (own / "README.md").write_text("# tiny\x1b[2J\n")
    tiny_bundle.reseal(own)
    assert genzoo("card", own)[1] == "# tiny\ufffd[2J\n\n"


def test_bench(genzoo, conditional):
    arguments = ["bench", conditional, "--batch", 1, "--batch", 2, "--seconds", 0]
    code, out, _ = genzoo(*arguments)
    assert code == 0 and len(out.splitlines()) == 2 + 2 * 5
    rows = json.loads(genzoo(*arguments, "--json")[1])
    assert {row["operation"] for row in rows} >= {"graph", "decode", "generate"}


@pytest.mark.parametrize(
    ("out", "read"),
    [
        ("-", lambda data: np.asarray(Image.open(data)).shape[0]),
        ("-.npy", lambda data: len(np.load(data)) * 4),
        ("-.npz", lambda data: len(np.load(data)["images"]) * 4),
        ("/dev/stdout", lambda data: np.asarray(Image.open(data)).shape[0]),
    ],
)
def test_images_go_to_standard_output_and_the_message_does_not(tiny, tmp_path, out, read):
    code = "from serving.commands import app; app.run(app.app)"
    command = [sys.executable, "-c", code, "generate", tiny, "-n", "1", "--seed", "7", "--out", out]
    done = subprocess.run(command, check=True, capture_output=True, cwd=tmp_path)
    assert read(io.BytesIO(done.stdout)) == 4
    assert done.stderr.decode().rstrip() == "1 image from tiny (fp32 on cpu, seed 7)"
    assert not list(tmp_path.iterdir())


def test_a_terminal_is_sent_no_images(genzoo, tiny, monkeypatch):
    monkeypatch.setattr(os, "isatty", lambda number: number == 1)
    code, out, err = genzoo("generate", tiny, "--out", "-")
    assert (code, out) == (2, "") and "a terminal shows no images" in err


def test_text_goes_to_standard_output_as_if_nothing_were_said(genzoo, text, tmp_path):
    options = ["generate", text, "--seed", 7, "--max-new-tokens", 5]
    assert genzoo(*options, "--out", "-") == genzoo(*options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command):
    result = CliRunner().invoke(cli.app, [command, "--help"])
    assert result.exit_code == 0 and f"Example: genzoo {command}" in result.output


def test_generate_takes_less_than_two_seconds_of_processor_time(tiny, tmp_path):
    """From process start. Processor time, because a busy machine makes the clock say anything."""
    code = "from serving.commands import app; app.run(app.app)"
    command = [sys.executable, "-c", code, "generate", tiny, "--out", tmp_path / "x.png"]
    before = os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = os.times()
    spent = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    assert spent < 2
    assert (tmp_path / "x.png").exists()
