"""What made a piece of content, and with what: enough to make it again."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.errors import GenzooError
from serving.version import version

# Of IPTC: made by a model that was trained on data of others.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
LARGEST = 2**16  # characters of an origin that is read
PLAIN = 4096  # characters of what is given to a call; of more, or of a file, only the hash is told
_Word = Annotated[str, Field(max_length=200)]


class Origin(BaseModel):
    """What made a piece of content.

    Attributes:
        program: this one, and its version.
        model: its name.
        model_hash: sha256 of its manifest, which pins every file.
        variant, device: what was run, and on what.
        call: what the model was asked for.
        parameters: of the call, without the seed; in the place of files that were given, and of
            what is long, `{"sha256": ...}`.
        seed: of the call; None where it draws nothing.
        index: which of several it is, where each is in a file of its own.
        source_type: of IPTC's vocabulary of digital sources.

    Example:
        >>> origin = Origin(model="m", model_hash="0", variant="fp32", device="cpu",
        ...                 call="generate", parameters={"n": 2}, seed=7)
        >>> Origin.read(origin.text()) == origin
        True
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    program: _Word = Field(default_factory=lambda: program())
    model: _Word
    model_hash: _Word
    variant: _Word
    device: _Word
    call: _Word
    parameters: dict[str, Any]
    seed: int | list[int] | None = None
    index: Annotated[list[int], Field(max_length=4)] | None = None
    source_type: _Word = SOURCE_TYPE

    def text(self) -> str:
        """Return it in JSON, in ASCII and always in the same order."""
        return json.dumps(self.model_dump(exclude_none=True))

    def of(self, *index: int) -> "Origin":
        """Return that of one of several, each in a file of its own."""
        return self.model_copy(update={"index": list(index)})

    @classmethod
    def read(cls, text: str) -> "Origin":
        """Return what a text says.

        Raises:
            GenzooError: it is no origin.
        """
        if len(text) > LARGEST:
            raise GenzooError(f"its mark has {len(text)} characters; expected {LARGEST} at most")
        try:
            return cls.model_validate(json.loads(text))
        except (ValidationError, ValueError, RecursionError):
            raise GenzooError("its mark is none that this program writes") from None


def program() -> str:
    """Return this program and its version."""
    return f"genzoo {version()}"


def manifest_hash(path: Path) -> str:
    """Return the sha256 of a manifest: what a model is known by."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def told(value: Any) -> Any:
    """Return an argument as an origin tells it: in JSON, and of what is long the hash alone.

    Example:
        >>> told("x" * 5000)["sha256"][:8], told([3, 4])
        ('f6aded27', [3, 4])
    """
    text = json.dumps(value)
    return value if len(text) <= PLAIN else hashed(text.encode())


def hashed(data: bytes) -> dict[str, str]:
    """Return what stands for content that an origin does not hold."""
    return {"sha256": hashlib.sha256(data).hexdigest()}
