"""Release trees: a folder or web address where a publisher has an index and the models it pins.

index.json          of the same schema as the catalogue's
index.json.sig      who vouches for it (`serving.hub.signature`)
models/NAME/FILE
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from serving.catalogue import Entry, Index
from serving.errors import GenzooError, UsageError, nearest
from serving.hub.http import TransferError
from serving.hub.local import shown
from serving.hub.mirrors import in_order, is_remote, of_tree, offline
from serving.hub.places import small_file
from serving.hub.signature import SIGNATURE_LIMIT, check_signature

INDEX_NAME, SIGNATURE_NAME = "index.json", "index.json.sig"
INDEX_LIMIT = 16 * 2**20  # bytes; a model takes about two thousand


@dataclass(frozen=True)
class Tree:
    """An index that can be trusted, and the places where the files it pins may be."""

    index: Index
    places: list[str]

    def entry(self, name: str) -> Entry:
        """Return what pins a model.

        Raises:
            UsageError: the tree has no such model.
        """
        if name not in self.index.models:
            hint = nearest(name, self.index.models) or f"; it has {', '.join(self.index.models)}"
            raise UsageError(f"the index has no model '{name}'{hint}")
        return self.index.models[name]


def open_tree(place: str, *, key: Path | None = None, sha256: str | None = None) -> Tree:
    """Read the index of a release tree, once it is known to be the publisher's.

    Args:
        place: a folder, or a `file://`, `https://` or `hf://` address.
        key: the publisher's public key; the signature is checked before the index is parsed.
        sha256: what the index must hash to.

    Raises:
        UsageError: the place is of no known kind, or far away with neither key nor hash.
        GenzooError: there is no index, or not the one that was signed or pinned, or it is invalid.

    Example:
        >>> from serving.hub.tree import open_tree
        >>> sorted(open_tree("release").index.models)  # doctest: +SKIP
        ['vae-mnist']
    """
    in_order([place])
    if is_remote(place) and key is None and sha256 is None:
        raise UsageError(
            f"nothing vouches for {shown(place)}; give the publisher's key with --key, or the "
            "index's sha256 with --index-sha256"
        )
    data = _fetched(place, INDEX_NAME, INDEX_LIMIT)
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256.lower():
        raise GenzooError(
            f"{INDEX_NAME} of {shown(place)} has another sha256 than --index-sha256 says"
        )
    if key is not None:
        _check_signature(data, _fetched(place, SIGNATURE_NAME, SIGNATURE_LIMIT), key)
    index = _parsed(data, place)
    return Tree(index, of_tree(place, ["models", *index.mirrors]))


def _fetched(place: str, name: str, limit: int) -> bytes:
    if is_remote(place) and offline():
        raise GenzooError(f"{shown(place)} cannot be read while GENZOO_OFFLINE is set; unset it")
    try:
        return small_file(place, name, limit)
    except TransferError as error:
        raise GenzooError(
            f"{name} of {shown(place)} cannot be read ({error}); expected the root of a release "
            "tree"
        ) from error


def _check_signature(data: bytes, signature: bytes, key: Path) -> None:
    """Check the very bytes that will be parsed, whatever becomes of the place they are from."""
    with tempfile.TemporaryDirectory() as folder:
        index, signed = Path(folder) / INDEX_NAME, Path(folder) / SIGNATURE_NAME
        index.write_bytes(data)
        signed.write_bytes(signature)
        check_signature(index, signed, key)


def _parsed(data: bytes, place: str) -> Index:
    try:
        return Index.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])[:100] or "the document"
        where = shown(f"{at}: {first['msg']}")
        raise GenzooError(f"{INDEX_NAME} of {shown(place)} is not a valid index: {where}") from None
