"""API keys: told once, when they are made, and kept as salted hashes in a file.

A key is `gz_ID_SECRET`. The file has a line of JSON for each, with the HMAC-SHA256 of its secret
under a salt of its own. A secret is 256 random bits, which nobody can try out, so that a slow hash
would only make every request slow.
"""

import hmac
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.errors import GenzooError, UsageError, nearest
from serving.files import replacing

_KEY = re.compile(r"gz_([0-9a-f]{12})_([0-9a-f]{64})", re.ASCII)
Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class Key(BaseModel):
    """What a file says of a key.

    Attributes:
        name: of whoever has it, for the log.
        id: the part of the key that may be known.
        salt, hash: of its secret, in hexadecimal digits.
        requests: that may be here of it at once; None for the server's own bound.
        operator: whether it may load and unload models.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[\w.@-]{1,64}$")]
    id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    salt: Hex
    hash: Hex
    requests: Annotated[int, Field(ge=1)] | None = None
    operator: bool = False


_NOBODY = Key(name="nobody", id="0" * 12, salt=secrets.token_hex(16), hash=secrets.token_hex(32))


def hashed(secret: str, salt: str) -> str:
    """Return what is kept of a secret.

    Example:
        >>> hashed("00" * 32, "01" * 16)[:16]
        '10de295e952e734e'
    """
    return hmac.digest(bytes.fromhex(salt), secret.encode(), "sha256").hex()


def made(name: str, requests: int | None = None, operator: bool = False) -> tuple[Key, str]:
    """Return a new key: what is kept of it, and the key itself, which nothing tells again.

    Example:
        >>> key, told = made("somebody")
        >>> Keys([key]).holder(told).name
        'somebody'
    """
    identity, secret, salt = secrets.token_hex(6), secrets.token_hex(32), secrets.token_hex(16)
    try:
        key = Key(name=name, id=identity, salt=salt, hash=hashed(secret, salt), requests=requests,
                  operator=operator)  # fmt: skip
    except ValidationError:
        raise UsageError(
            f"'{name:.80}' is no name of a key; expected letters, digits and . _ @ -, 64 at most"
        ) from None
    return key, f"gz_{identity}_{secret}"


class Keys:
    """The keys that a server knows.

    Args:
        keys: each of a name and an id of its own.
    """

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._by_id = {key.id: key for key in keys}

    def __iter__(self) -> Iterator[Key]:
        return iter(self._by_id.values())

    def holder(self, given: str) -> Key | None:
        """Return the key that somebody gives, or None of one that there is not.

        It takes as long for a wrong secret as for a right one, and for an id that there is not.
        """
        parts = _KEY.fullmatch(given)
        identity, secret = parts.groups() if parts else ("", "0" * 64)
        key = self._by_id.get(identity, _NOBODY)
        right = hmac.compare_digest(hashed(secret, key.salt), key.hash)
        return key if right and key is not _NOBODY else None


def given_key(headers: Mapping[str, str]) -> str:
    """Return the key among the headers of a request, or an empty string.

    Example:
        >>> given_key({"authorization": "Bearer abc"}), given_key({"x-api-key": "abc"})
        ('abc', 'abc')
    """
    scheme, _, word = headers.get("authorization", "").strip().partition(" ")
    bearer = word.strip() if scheme.lower() == "bearer" else ""
    return headers.get("x-api-key", "").strip() or bearer


def read_keys(path: str | Path) -> Keys:
    """Read a file of keys.

    Raises:
        GenzooError: it cannot be read, or a line of it is none of a key.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise GenzooError(f"{path} is not there; `genzoo keys make NAME --keys {path}`") from None
    except UnicodeDecodeError:
        raise GenzooError(f"{path} is no file of keys: it is not UTF-8") from None
    found: dict[str, Key] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            key = Key.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise GenzooError(
                f"{path} line {number} is no key: {where} {first['msg']}; take the line out, and "
                "make another key"
            ) from None
        if key.name in found or any(key.id == each.id for each in found.values()):
            raise GenzooError(f"{path} line {number} is a second key '{key.name}'; take one out")
        found[key.name] = key
    return Keys(found.values())


def add_key(
    path: str | Path, name: str, requests: int | None = None, operator: bool = False
) -> str:
    """Make a key, keep its hash in a file, and return the key, which nothing tells again.

    Raises:
        UsageError: the file has a key of that name.
    """
    key, told = made(name, requests, operator)
    with _changing(path) as keys:
        if name in keys:
            raise UsageError(f"{path} has a key '{name}'; `genzoo keys revoke {name}`, or another")
        keys[name] = key
    return told


def revoke_key(path: str | Path, name: str) -> None:
    """Take a key out of a file.

    Raises:
        UsageError: the file has none of that name.
    """
    with _changing(path) as keys:
        if name not in keys:
            raise UsageError(f"{path} has no key '{name:.80}'{nearest(name, keys)}")
        del keys[name]


@contextmanager
def _changing(path: str | Path) -> Iterator[dict[str, Key]]:
    """Give the keys of a file by name, to be changed and written again; nobody else does both."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        keys = {key.name: key for key in (read_keys(path) if path.exists() else ())}
        yield keys
        with replacing(path) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_text("".join(f"{each.model_dump_json()}\n" for each in keys.values()))
