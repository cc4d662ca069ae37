"""Every declared call over HTTP: what a model gives to Python it gives here too."""

import base64
import io

import httpx
import numpy as np
import pytest
from PIL import Image

from serving import registry
from serving.content import content
from tests.serving import tiny_bundle
from tests.serving.server.running import running

SHAPE = tiny_bundle.SHAPE


def png(array):
    memory = io.BytesIO()
    Image.fromarray(array[..., 0]).save(memory, "png")
    return memory.getvalue()


def pixels(address):
    head, _, data = address.partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))[..., None]


def call(client, model, name, status=200, **request):
    answer = client.post(f"/v1/calls/{model}/{name}", **request)
    assert answer.status_code == status, answer.text
    return answer


def test_images_are_those_of_python(client, model):
    given = {"n": 3, "labels": [0, 1, 2], "seed": 7}
    answer = call(client, "painter", "generate", json=given)
    found = np.stack([pixels(each) for each in answer.json()["image"]])
    assert (found == model("painter").generate(**given)).all()
    assert answer.json()["seed"] == 7 and answer.headers["x-seed"] == "7"
    assert answer.headers["x-model-hash"] == answer.json()["model_hash"]


def test_parameters_of_the_address_and_a_file_as_the_answer(client, model):
    headers = {"accept": "application/x-npy"}
    answer = call(
        client, "painter", "generate", headers=headers, params={"n": 2, "labels": 1, "seed": 5}
    )
    assert answer.headers["content-type"] == "application/x-npy"
    found = np.load(io.BytesIO(answer.content))
    assert (found == model("painter").generate(2, labels=1, seed=5)).all()


def test_a_seed_that_nobody_named_is_told(client, model):
    answer = call(client, "tiny", "generate", json={"n": 1}).json()
    again = model("tiny").generate(1, seed=answer["seed"])
    assert (pixels(answer["image"][0]) == again[0]).all()


def test_a_picture_goes_in_as_a_file_and_in_json(client, model):
    image = model("tiny").generate(1, seed=3)
    expected = model("tiny").reconstruct(image)[0]
    data = png(image[0])
    file = call(client, "tiny", "reconstruct", content=data, headers={"content-type": "image/png"})
    address = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    plain = call(client, "tiny", "reconstruct", json={"images": [address]})
    levels = call(client, "tiny", "reconstruct", json={"images": image.tolist()})
    for answer in (file, plain, levels):
        assert (pixels(answer.json()["image"][0]) == expected).all()


def test_rows_of_images_and_arrays_by_name(client, model):
    first, last = model("tiny").generate(2, seed=1).tolist()
    answer = call(client, "tiny", "interpolate", json={"start": [first], "end": [last], "steps": 3})
    assert [len(row) for row in answer.json()["image"]] == [3]
    means = call(client, "tiny", "encode", json={"images": [first]}).json()["array"]
    assert np.allclose(means["mean"], model("tiny").encode(np.uint8([first])).mean)
    path = call(client, "painter", "interpolate-classes", json={"start": 0, "end": 2, "seed": 1})
    assert len(path.json()["image"][0]) == 8


def test_texts_and_numbers(client, model):
    given = {"prompt": "abc ", "max_new_tokens": 5, "seed": 2}
    answer = call(client, "toy", "generate", json=given)
    assert answer.json()["text"] == model("toy").generate(**given)
    several = call(client, "toy", "generate", json=given | {"n": 3}).json()["text"]
    assert several == model("toy").generate(**given, n=3)
    file = call(client, "toy", "generate", json=given, headers={"accept": "text/plain"})
    assert file.text == answer.json()["text"] + "\n"
    options = {
        "params": {"max_new_tokens": 5, "seed": 2},
        "headers": {"content-type": "text/plain"},
    }
    prompt = call(client, "toy", "generate", content=b"abc ", **options)
    assert prompt.json()["text"] == answer.json()["text"]
    score = call(client, "toy", "score", json={"text": "abc de"}).json()["numbers"]
    assert score["nats"] == pytest.approx(model("toy").score("abc de").nats)


@pytest.mark.parametrize(
    ("model", "name", "body", "status", "words"),
    [
        ("painter", "generate", {"n": 0, "labels": 1}, 400, "n is 0; expected a whole number"),
        ("painter", "generate", {"n": 1}, 400, "this model is conditional"),
        ("painter", "generate", {"n": 1, "labels": 9}, 400, "labels is 9"),
        ("painter", "generate", {"n": 1, "labels": 1, "colour": 2}, 400, "unknown option 'colour'"),
        ("painter", "generate", {"n": 2**40, "labels": 1}, 400, "rows are asked for, 1024 at most"),
        ("painter", "generate", {"n": 1, "labels": [0] * 1025}, 400, "labels has 1025 values"),
        ("painter", "fly", {}, 404, "painter cannot 'fly'; it can generate"),
        ("gone", "generate", {}, 404, "no model is called 'gone'"),
        ("tiny", "generate", {"labels": 1}, 400, "takes no labels"),
        ("tiny", "reconstruct", {}, 400, "reconstruct needs images"),
        ("tiny", "reconstruct", {"images": ["data:image/png;base64,!"]}, 400, "no base64"),
        ("tiny", "reconstruct", {"images": "x.png"}, 400, "content in JSON begins with"),
        ("tiny", "reconstruct", {"images": [[1], [1, 2]]}, 400, "not all of one length"),
        ("tiny", "reconstruct", {"images": [[[0.5]]]}, 400, "whole numbers from 0 to 255"),
        ("tiny", "decode", {"z": [["a"]]}, 400, "no numbers"),
        ("tiny", "decode", {"z": [[1e39, 0]]}, 400, "not finite"),
        ("tiny", "traverse", {"images": [[[0]] * 4], "dimension": 0, "values": [0] * 1025}, 400,
         "values has 1025 values"),
        ("tiny", "decode", {"z": [[0, 0]], "dtype": "float32"}, 400, "unknown option 'dtype'"),
        ("toy", "generate", {"prompt": "abc ", "stop": ["x" * 2000]}, 400, "one of stop is longer"),
        ("toy", "generate", {"prompt": ["x" * 2**20, *[""] * 1000]}, 400, "texts are given"),
        ("toy", "generate", {"prompt": ["a", "b"], "seed": ["x" * 2**21, ""]}, 400, "of seed is"),
        ("toy", "search", {"prompt": "a", "beams": 1000}, 400, "beams is 1000"),
        ("toy", "generate", {"prompt": 3}, 400, "a text in JSON is 3"),
        ("toy", "generate", {"prompt": "abc ", "max_new_tokens": 10**9}, 400, "tokens are asked"),
        ("toy", "generate", {"prompt": "x" * 2**21}, 400, "characters; expected 1048576 at most"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(client, model, name, body, status, words):
    error = call(client, model, name, status, json=body).json()["error"]
    assert words in error["message"] and "\n" not in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


def test_types_that_are_not_read_or_written(client):
    headers = {"content-type": "video/mp4"}
    assert (
        "content-type is 'video/mp4'"
        in call(client, "tiny", "reconstruct", 415, content=b"x", headers=headers).text
    )
    assert (
        "takes start and end"
        in call(client, "tiny", "interpolate", 415, content=b"x", headers=headers).text
    )
    assert (
        "accept is 'video/mp4'"
        in call(client, "tiny", "generate", 406, headers={"accept": "video/mp4"}).text
    )
    broken = call(
        client, "tiny", "reconstruct", 400, content=b"GIF89a", headers={"content-type": "image/gif"}
    )
    assert "cannot be read as a picture" in broken.text


def test_an_archive_of_much_more_than_it_seems_is_refused(client, monkeypatch):
    monkeypatch.setattr(content, "UNPACKED", 2**16)
    memory = io.BytesIO()
    np.savez_compressed(memory, images=np.zeros(2**17, np.uint8))
    headers = {"content-type": "application/x-npz"}
    answer = call(client, "tiny", "reconstruct", 400, content=memory.getvalue(), headers=headers)
    assert "the archive unpacks to" in answer.text


def test_bounds_are_the_servers(tiny):
    with running([tiny], rows=4, rows_held=3) as served:
        ask = lambda n: httpx.post(f"{served.url}/v1/calls/tiny/generate", json={"n": n})  # noqa: E731
        assert ask(5).status_code == 400 and ask(3).status_code == 200
        full = ask(4)
        assert full.status_code == 503 and full.headers["retry-after"] == "1"


def test_what_shows_content_comes_with_it_where_that_is_preferred(client, model):
    headers = {"prefer": "shown"}
    answer = call(client, "tiny", "generate", json={"n": 4, "seed": 7}, headers=headers).json()
    sheet = registry.content("image").picture(model("tiny").generate(4, seed=7), {})
    assert (pixels(answer["shown"]["picture"]) == sheet).all()
    assert answer["shown"]["words"] is None and len(answer["image"]) == 4
    scored = call(client, "toy", "score", json={"text": "abc"}, headers=headers).json()
    assert "nats_per_character" in scored["shown"]["words"]
    assert "shown" not in call(client, "toy", "score", json={"text": "abc"}).json()
