"""Marks within files: an origin, where the format has a place for it, and nothing else changed.

Every mark has an XMP packet with IPTC's `DigitalSourceType`, the field that programs which show
where a picture comes from read, wherever the format has a place for XMP.
"""

import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar
from xml.sax.saxutils import quoteattr

from serving.provenance.origin import LARGEST, Origin

KEYWORD = b"genzoo"
SUFFIXES = (".png", ".wav", ".mid", ".midi", ".gif")
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
   xmlns:xmp="http://ns.adobe.com/xap/1.0/"
   xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
   xmp:CreatorTool={program}
   Iptc4xmpExt:DigitalSourceType={source}
   Iptc4xmpExt:AISystemUsed={model}
   Iptc4xmpExt:AISystemVersionUsed={hash}/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""


class Format(ABC):
    """A format of files that has a place for a mark."""

    beginning: ClassVar[bytes]

    @abstractmethod
    def marked(self, data: bytes, origin: Origin) -> bytes:
        """Return a file with a mark; one that it has already is replaced."""

    @abstractmethod
    def found(self, data: bytes) -> str | None:
        """Return the mark of a file in JSON, unchecked; None where it has none, or is spoilt."""


def marked(data: bytes, origin: Origin) -> bytes:
    """Return a file with a mark of its origin, where its format has a place for one.

    Example:
        >>> from serving.content.pictures import png
        >>> import numpy as np
        >>> origin = Origin(model="m", model_hash="0", variant="fp32", device="cpu", call="draw",
        ...                 parameters={})
        >>> origin_of(marked(png(np.zeros((2, 2, 1), np.uint8)), origin)).call
        'draw'
    """
    known = _format(data)
    return data if known is None else known.marked(data, origin)


def origin_of(data: bytes) -> Origin | None:
    """Return what the mark of a file says; None where there is none.

    Raises:
        GenzooError: it has one that says nothing.
    """
    known = _format(data)
    text = None if known is None else known.found(data)
    return None if text is None else Origin.read(text)


def xmp(origin: Origin) -> bytes:
    """Return the XMP packet of an origin."""
    return _PACKET.format(
        program=quoteattr(origin.program),
        source=quoteattr(origin.source_type),
        model=quoteattr(origin.model),
        hash=quoteattr(origin.model_hash),
    ).encode()


def _format(data: bytes) -> Format | None:
    return next((each for each in _FORMATS if data.startswith(each.beginning)), None)


class Png(Format):
    """Texts in chunks of their own, after the head (W3C PNG, 11.3.3)."""

    beginning = b"\x89PNG\r\n\x1a\n"
    _HEAD = 8 + 25  # the signature and IHDR

    def marked(self, data: bytes, origin: Origin) -> bytes:
        texts = ((KEYWORD, origin.text().encode()), (_XMP_KEYWORD, xmp(origin)))
        # Keyword, not compressed, no language, no translated keyword.
        chunks = [self._chunk(b"iTXt", key + b"\0\0\0\0\0" + text) for key, text in texts]
        own = tuple(key + b"\0" for key, _ in texts)
        rest, ended = [], self._HEAD
        for start, end, kind, body in self._chunks(data):
            ended = max(ended, end)
            if start >= self._HEAD and not (kind == b"iTXt" and body.startswith(own)):
                rest.append(data[start:end])
        return b"".join([data[: self._HEAD], *chunks, *rest, data[ended:]])

    def found(self, data: bytes) -> str | None:
        for _, _, kind, body in self._chunks(data):
            if kind == b"iTXt" and body.startswith(KEYWORD + b"\0\0"):
                return body[len(KEYWORD) + 5 :].decode("utf-8", "replace")
        return None

    @staticmethod
    def _chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    @staticmethod
    def _chunks(data: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
        """Yield where each chunk begins and ends, its kind, and what it holds."""
        start = 8
        while start + 12 <= len(data):
            size = int.from_bytes(data[start : start + 4])
            end = start + 12 + size
            yield start, end, data[start + 4 : start + 8], data[start + 8 : end - 4]
            start = end


class Wave(Format):
    """Chunks of RIFF at the end: a comment in `LIST INFO`, and XMP in `_PMX`."""

    beginning = b"RIFF"
    _INFO, _COMMENT = b"INFO", b"ICMT"

    def marked(self, data: bytes, origin: Origin) -> bytes:
        text = origin.text().encode() + b"\0"
        comment = self._chunk(self._COMMENT, text)
        kept = b"".join(
            _even(data[start:end])
            for start, end, kind, body in self._chunks(data)
            if not self._is_own(kind, body)
        )
        body = data[8:12] + kept + self._chunk(b"LIST", self._INFO + comment)
        body += self._chunk(b"_PMX", xmp(origin))
        return b"RIFF" + struct.pack("<I", len(body)) + body

    def found(self, data: bytes) -> str | None:
        for _, _, kind, body in self._chunks(data):
            if kind == b"LIST" and self._is_own(kind, body):
                size = int.from_bytes(body[8:12], "little")
                return body[12 : 12 + size].rstrip(b"\0").decode("utf-8", "replace")
        return None

    def _is_own(self, kind: bytes, body: bytes) -> bool:
        comment = self._INFO + self._COMMENT
        return kind == b"_PMX" or (kind == b"LIST" and body.startswith(comment)
                                   and body[12:24] == b'{"program": ')  # fmt: skip

    @staticmethod
    def _chunk(kind: bytes, body: bytes) -> bytes:
        return _even(kind + struct.pack("<I", len(body)) + body)

    @staticmethod
    def _chunks(data: bytes) -> Iterator[tuple[int, int, bytes, bytes]]:
        start = 12
        while start + 8 <= len(data):
            size = int.from_bytes(data[start + 4 : start + 8], "little")
            end = start + 8 + size + size % 2
            yield start, end, data[start : start + 4], data[start + 8 : start + 8 + size]
            start = end


def _even(chunk: bytes) -> bytes:
    """Fill up a chunk of RIFF to an even number of bytes, which not every program does."""
    return chunk + b"\0" * (len(chunk) % 2)


class Midi(Format):
    """A text event at the beginning of the first track."""

    beginning = b"MThd"
    _TEXT = b"\x00\xff\x01"  # at once: a meta event, a text

    def marked(self, data: bytes, origin: Origin) -> bytes:
        start = self._track(data)
        if start is None:
            return data
        size = int.from_bytes(data[start - 4 : start])
        track = data[start : start + size]
        older = self._own(track)
        text = KEYWORD + b" " + origin.text().encode()
        event = self._TEXT + _variable(len(text)) + text
        track = event + (track if older is None else track[older[1] :])
        return data[: start - 4] + struct.pack(">I", len(track)) + track + data[start + size :]

    def found(self, data: bytes) -> str | None:
        start = self._track(data)
        older = None if start is None else self._own(data[start : start + LARGEST + 16])
        return None if older is None else older[0].decode("utf-8", "replace")

    @staticmethod
    def _track(data: bytes) -> int | None:
        """Return where the events of the first track begin."""
        start = 8 + int.from_bytes(data[4:8])
        return start + 8 if data[start : start + 4] == b"MTrk" else None

    def _own(self, track: bytes) -> tuple[bytes, int] | None:
        """Return the mark that a track begins with, and where it ends."""
        if not track.startswith(self._TEXT):
            return None
        size, at = 0, len(self._TEXT)
        while at < min(len(track), 8):
            size, at = size << 7 | track[at] & 127, at + 1
            if track[at - 1] < 128:
                break
        text = track[at : at + size]
        own = text.startswith(KEYWORD + b" ") and len(text) == size
        return (text[len(KEYWORD) + 1 :], at + size) if own else None


def _variable(number: int) -> bytes:
    """Return a number as MIDI writes lengths: seven bits a byte, all but the last with the eighth.

    Example:
        >>> _variable(200)
        b'\\x81H'
    """
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127 | 128)
    return bytes(reversed(digits))


class Gif(Format):
    """A comment and XMP, as extensions after the table of colours (GIF89a; XMP, part 3)."""

    beginning = b"GIF8"
    _COMMENT, _APPLICATION = b"!\xfe", b"!\xff\x0bXMP DataXMP"
    # What a reader of blocks that begins anywhere in the packet comes to its end by.
    _TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\0"

    def marked(self, data: bytes, origin: Origin) -> bytes:
        start = self._start(data)
        older = self._own(data, start)
        text = KEYWORD + b" " + origin.text().encode()
        blocks = [text[at : at + 255] for at in range(0, len(text), 255)]
        comment = self._COMMENT + b"".join(bytes([len(each)]) + each for each in blocks) + b"\0"
        packet = self._APPLICATION + xmp(origin) + self._TRAILER
        rest = data[start if older is None else older[1] :]
        return b"GIF89a" + data[6:start] + comment + packet + rest  # 87a has no extensions

    def found(self, data: bytes) -> str | None:
        older = self._own(data, self._start(data))
        return None if older is None else older[0].decode("utf-8", "replace")

    @staticmethod
    def _start(data: bytes) -> int:
        colours = data[10] if len(data) > 10 else 0
        return 13 + (3 << (colours & 7) + 1 if colours & 128 else 0)

    def _own(self, data: bytes, start: int) -> tuple[bytes, int] | None:
        if not data.startswith(self._COMMENT, start):
            return None
        at, parts = start + 2, []
        while at < len(data) and data[at]:
            parts.append(data[at + 1 : at + 1 + data[at]])
            at += 1 + data[at]
        text, end = b"".join(parts), at + 1
        if not text.startswith(KEYWORD + b" "):
            return None
        if data.startswith(self._APPLICATION, end):
            trailer = data.find(self._TRAILER, end)
            end = end if trailer < 0 else trailer + len(self._TRAILER)
        return text[len(KEYWORD) + 1 :], end


_FORMATS: tuple[Format, ...] = (Png(), Wave(), Midi(), Gif())
