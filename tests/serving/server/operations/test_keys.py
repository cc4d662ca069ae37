"""API keys: told once, kept as hashes, asked for by a server, and bounded each."""

import json
import stat

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import GenzooError, UsageError
from serving.server.operations.keys import Keys, add_key, given_key, made, read_keys, revoke_key
from tests.serving.server.running import running

GENERATE = "/v1/calls/tiny/generate"


@pytest.fixture(scope="module")
def guarded(tiny, text, tmp_path_factory):
    """A server that asks for keys, and the keys by name."""
    file = tmp_path_factory.mktemp("keys") / "keys.jsonl"
    keys = {"alice": add_key(file, "alice"), "bob": add_key(file, "bob", requests=1)}
    with running([tiny, text], options={"keys": file}) as served:
        served.keys, served.file = keys, file
        yield served


def test_a_file_keeps_no_secret_and_is_its_owners(tmp_path):
    file = tmp_path / "keys.jsonl"
    told = add_key(file, "alice")
    kept = file.read_text()
    assert told.split("_")[2] not in kept and json.loads(kept)["name"] == "alice"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = add_key(file, "bob")
    hashes = {key.hash for key in read_keys(file)}
    assert other != told and len(hashes) == 2
    assert read_keys(file).holder(told).name == "alice"
    revoke_key(file, "alice")
    assert read_keys(file).holder(told) is None and read_keys(file).holder(other).name == "bob"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_same_secret_is_another_hash_under_another_salt():
    from serving.server.operations.keys import hashed

    assert hashed("a" * 64, "00" * 16) != hashed("a" * 64, "01" * 16)


ONE, TOLD = made("alice")
SECOND, OTHER = made("bob")


@given(
    st.text(max_size=90)
    | st.integers(0, len(TOLD) - 1).map(
        lambda at: TOLD[:at] + "0f"[TOLD[at] == "0"] + TOLD[at + 1 :]
    )
    | st.just(TOLD[: TOLD.rindex("_")] + OTHER[OTHER.rindex("_") :])
    | st.just(f"{TOLD}\n")
)
def test_no_other_word_is_a_key(word):
    assert Keys([ONE, SECOND]).holder(word) is None or word in (TOLD, OTHER)


def test_names_are_plain_and_of_one_key(tmp_path):
    file = tmp_path / "keys.jsonl"
    add_key(file, "alice")
    with pytest.raises(UsageError, match="has a key 'alice'"):
        add_key(file, "alice")
    with pytest.raises(UsageError, match="no name of a key"):
        add_key(file, "al ice\n")
    with pytest.raises(UsageError, match="has no key 'alcie'; did you mean 'alice'"):
        revoke_key(file, "alcie")
    assert len(list(read_keys(file))) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("key", "line 1 is no key"),
        ('\n{"name": "a"}', "line 2 is no key: id Field required"),
        ("{line}\n{line}", "line 2 is a second key 'alice'"),
        ("\udcff", "is not UTF-8"),
        (None, "is not there; `genzoo keys make NAME --keys"),
    ],
)
def test_a_file_of_something_else_is_one_line(tmp_path, text, words):
    file = tmp_path / "keys.jsonl"
    if text is not None:
        data = text.replace("{line}", ONE.model_dump_json())
        file.write_bytes(data.encode(errors="surrogateescape"))
    with pytest.raises(GenzooError, match=words) as raised:
        read_keys(file)
    assert "\n" not in str(raised.value)


def test_where_keys_are_read_from():
    assert given_key({"authorization": "bearer  k "}) == given_key({"x-api-key": "k"}) == "k"
    assert given_key({"authorization": "Basic k"}) == given_key({}) == ""


def test_who_has_no_key_is_refused_in_both_dialects(guarded):
    for headers in ({}, {"x-api-key": "gz_wrong"}, {"authorization": f"Basic {TOLD}"}):
        answer = httpx.post(f"{guarded.url}{GENERATE}", headers=headers, content=bytes(2**20))
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        error = answer.json()["error"]
        assert error["type"] == "authentication_error" and error["code"] == "invalid_api_key"
        infer = httpx.post(f"{guarded.url}/v2/models/tiny/infer", headers=headers)
        assert infer.status_code == 401 and "API key" in infer.json()["error"]
    for path in ("/v1/models", "/v1/calls", "/v2", "/v2/models/tiny", "/v2/models/stats",
                 "/v2/models/tiny/config", "/metrics", "/openapi.json"):  # fmt: skip
        assert httpx.get(f"{guarded.url}{path}").status_code == 401, path
    for path in ("/v2/health/live", "/v2/health/ready"):
        assert httpx.get(f"{guarded.url}{path}").status_code == 200, path
    key = {"x-api-key": guarded.keys["alice"]}
    assert (
        'genzoo_rejected_total{reason="key"}'
        in httpx.get(f"{guarded.url}/metrics", headers=key).text
    )


def test_no_route_but_those_that_are_named_is_open(guarded):
    """Whatever routes there will be: without a key they answer 401, or they are told here."""
    app = guarded.server.application()
    for route in app.routes:
        if route.path in guarded.server.open:
            continue
        path = route.path.replace("{", "").replace("}", "")
        [method] = route.methods - {"HEAD"}
        assert httpx.request(method, f"{guarded.url}{path}").status_code == 401, path


def test_metrics_may_be_open(tiny, tmp_path):
    add_key(tmp_path / "keys", "alice")
    options = {"keys": tmp_path / "keys", "open_metrics": True}
    with running([tiny], options=options) as served:
        assert httpx.get(f"{served.url}/metrics").status_code == 200
        assert httpx.get(f"{served.url}/v1/models").status_code == 401


def test_the_real_clients_bring_their_key(guarded):
    openai = pytest.importorskip("openai")
    triton = pytest.importorskip("tritonclient.http")
    from tritonclient.utils import InferenceServerException

    def client(key):
        return openai.OpenAI(base_url=f"{guarded.url}/v1", api_key=key, max_retries=0)

    assert {each.id for each in client(guarded.keys["alice"]).models.list()} == {"tiny", "toy"}
    with pytest.raises(openai.AuthenticationError, match="not known"):
        client("gz_wrong").models.list()
    with triton.InferenceServerClient(guarded.address) as asked:
        with pytest.raises(InferenceServerException, match="asks for an API key") as raised:
            asked.infer("tiny", [])
        assert raised.value.status() == "401"
        headers = {"Authorization": f"Bearer {guarded.keys['alice']}"}
        answer = asked.infer("tiny", [], headers=headers, parameters={"seed": 1})
        assert answer.as_numpy("image") is not None


def test_each_key_has_its_own_bound(guarded):
    openai = pytest.importorskip("openai")
    bob = read_keys(guarded.file).holder(guarded.keys["bob"])
    client = openai.OpenAI(base_url=f"{guarded.url}/v1", api_key=guarded.keys["bob"], max_retries=0)
    with guarded.server.admission.enter(f"key {bob.id}"):
        with pytest.raises(openai.RateLimitError) as raised:
            client.completions.create(model="toy", prompt="abc ", max_tokens=1)
        assert raised.value.response.headers["retry-after"] == "1"
        other = {"x-api-key": guarded.keys["alice"]}
        assert httpx.post(f"{guarded.url}{GENERATE}", headers=other).status_code == 200
    assert client.completions.create(model="toy", prompt="abc ", max_tokens=1).choices


def test_the_commands(genzoo, tmp_path):
    file = tmp_path / "folder" / "keys.jsonl"
    code, told, _ = genzoo("keys", "make", "alice", "--keys", file, "--requests", "3")
    assert code == 0 and read_keys(file).holder(told.strip()).requests == 3
    assert genzoo("keys", "make", "ops", "--keys", file, "--operator")[0] == 0
    code, listed, _ = genzoo("keys", "list", "--keys", file)
    assert "alice" in listed and "3 requests" in listed and "operator" in listed
    assert told.strip() not in listed
    assert genzoo("keys", "revoke", "alice", "--keys", file)[0] == 0
    assert [key.name for key in read_keys(file)] == ["ops"]
    code, _, said = genzoo("keys", "make", "a b", "--keys", file)
    assert code == 2 and "no name of a key" in said
    code, _, said = genzoo("serve", "vae-mnist", "--keys", tmp_path / "none")
    assert code == 1 and "genzoo keys make" in said
