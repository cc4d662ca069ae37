"""Files that leave the server say what made them, and the same can be made again of it."""

import base64

import pytest

from serving.making import remade
from serving.provenance import marks
from tests.serving.server.running import running


def test_files_are_marked_and_can_be_made_again(client, painter):
    given = {"n": 3, "labels": [0, 1, 2], "seed": 7}
    where = "/v1/calls/painter/generate"
    file = client.post(where, json=given, headers={"accept": "image/png"})
    origin = marks.origin_of(file.content)
    assert (origin.call, origin.seed) == ("generate", 7)
    assert origin.parameters == {"n": 3, "labels": [0, 1, 2]}
    assert origin.model_hash == file.headers["x-model-hash"]
    *_, images = remade(origin, [], str(painter))
    answer = client.post(where, json=given)
    for index, address in enumerate(answer.json()["image"]):
        data = base64.b64decode(address.partition(",")[2])
        own = marks.origin_of(data)
        assert own == origin.of(index)
        assert (remade(own, [], str(painter))[2][0] == images[index]).all()


def test_paths_are_marked_row_by_row(client, painter):
    given = {"start": 0, "end": 2, "steps": 3, "n": 2, "seed": 7}
    answer = client.post("/v1/calls/painter/interpolate_classes", json=given).json()
    data = base64.b64decode(answer["image"][1][2].partition(",")[2])
    origin = marks.origin_of(data)
    assert origin.index == [1, 2]
    assert remade(origin, [], str(painter))[2].shape[0] == 1


def test_images_of_the_other_dialect_are_marked(client):
    asked = {"model": "painter", "prompt": "1", "n": 2, "seed": 7}
    answer = client.post("/v1/images/generations", json=asked).json()
    origins = [marks.origin_of(base64.b64decode(each["b64_json"])) for each in answer["data"]]
    assert [each.index for each in origins] == [[0], [1]]
    assert origins[0].parameters == {"n": 2, "labels": 1}


@pytest.mark.parametrize("accept", ["application/x-npy", "application/x-npz"])
def test_what_has_no_place_for_a_mark_is_as_it_was(client, accept):
    answer = client.post("/v1/calls/tiny/generate", json={"n": 1}, headers={"accept": accept})
    assert answer.status_code == 200 and marks.origin_of(answer.content) is None


def test_marks_can_be_left_out(tiny):
    import httpx

    with running([tiny]) as server:
        server.server.marks = None
        answer = httpx.post(f"{server.url}/v1/calls/tiny/generate", json={"n": 1, "seed": 1},
                            headers={"accept": "image/png"})  # fmt: skip
        assert answer.status_code == 200 and marks.origin_of(answer.content) is None


def test_files_that_are_only_read_are_not_offered(client):
    document = client.get("/openapi.json").json()
    given = document["paths"]["/v1/calls/tiny/generate"]["post"]["responses"]["200"]["content"]
    for kind in given:
        answer = client.post("/v1/calls/tiny/generate", json={"n": 2}, headers={"accept": kind})
        assert answer.status_code == 200, (kind, answer.text)
    refused = client.post("/v1/calls/tiny/generate", json={"n": 2}, headers={"accept": "image/gif"})
    assert refused.status_code == 406
