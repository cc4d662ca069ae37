"""How tokens are written: the bytes of each, and what a text loses at its beginning."""

import re
from collections.abc import Callable, Mapping, Sequence

from serving.bundle.refusal import plain
from serving.errors import GenzooError
from serving.text.spelling import trusted

_BYTE = re.compile("<0x([0-9A-Fa-f]{2})>")


class Spelling:
    """What the tokens of a tokenizer stand for, in bytes, so that text can come token by token.

    Two kinds are known. In byte-level tokenizers a token is written with a stand-in for each byte;
    a text may lose the space that was put before it. In those derived from SentencePiece it is
    written as it is, with a character for the space and `<0x0A>` for a byte, and a text loses that
    space.

    Args:
        file: of the tokenizer.
        vocabulary: the number of each token.

    Attributes:
        bytes: by number; none for special tokens, and where there is no token.
        lost, times: bytes that a text loses at its beginning, so many times at most.
        first: by number, of tokens that are written otherwise where they are the first.

    Raises:
        GenzooError: what tokens stand for depends on more than that.

    Example:
        >>> from zoo.data.tokenizers import bpe_tokenizer
        >>> tokenizer = bpe_tokenizer(["low lower"] * 2, 261)
        >>> file = trusted.checked(tokenizer.to_str().encode())
        >>> Spelling(file, tokenizer.get_vocab()).bytes[259:]
        [b'lo', b'low']
    """

    def __init__(self, file: trusted.File, vocabulary: Mapping[str, int]):
        self.lost, self.times, self.first = b"", 0, dict[int, bytes]()
        decoder = file.decoder
        parts = [*decoder.decoders] if isinstance(decoder, trusted.Decoders) else [decoder]
        special = {token.content for token in file.added_tokens if token.special}
        written = {token: at for token, at in vocabulary.items() if token not in special}
        self.bytes = [b""] * (1 + max(vocabulary.values(), default=-1))
        if isinstance(parts[0], trusted.ByteLevel):
            self._strip(parts[1:])
            write = _byte_level()
        else:
            write = self._pieces(parts)
        for token, number in written.items():
            self.bytes[number] = write(token)
        for part in parts:
            if isinstance(part, trusted.Metaspace) and part.prepend_scheme != "never":
                self.first = {
                    number: write(token.replace(part.replacement, ""))
                    for token, number in written.items()
                    if part.replacement in token
                }

    def _strip(self, parts: Sequence[trusted.Decoder | None]) -> None:
        """Note what a text loses at its beginning, of what is done to it as a whole."""
        for part in parts:
            if not isinstance(part, trusted.Strip) or part.stop or len(parts) > 1:
                raise _unknown(parts)
            self.lost, self.times = part.content.encode(), part.start

    def _pieces(self, parts: Sequence[trusted.Decoder | None]) -> Callable[[str], bytes]:
        """Return what writes a token, given how tokens are decoded."""
        kinds = [part.type if part else None for part in parts]
        fused = kinds.index("Fuse") if "Fuse" in kinds else len(parts)
        one_by_one, together = parts[:fused], parts[fused + 1 :]
        self._strip(together)
        replaced: list[tuple[str, str]] = []
        bytewise = False
        for part in one_by_one:
            if isinstance(part, trusted.Replace):
                replaced.append((part.pattern.String, part.content))
            elif isinstance(part, trusted.Metaspace):
                replaced.append((part.replacement, " "))
            elif isinstance(part, trusted.Plain):
                bytewise = True
            else:
                raise _unknown(one_by_one)

        def write(token: str) -> bytes:
            for old, new in replaced:
                token = token.replace(old, new)
            byte = _BYTE.fullmatch(token) if bytewise else None
            return bytes([int(byte[1], 16)]) if byte else token.encode()

        return write


def _unknown(parts: Sequence[trusted.Decoder | None]) -> GenzooError:
    kinds = ", ".join(part.type if part else "nothing" for part in parts)
    return GenzooError(
        f"the tokenizer is neither byte-level nor derived from SentencePiece: it decodes by "
        f"{plain(kinds)}"
    )


def _byte_level() -> Callable[[str], bytes]:
    symbols = _bytes_of_symbols()

    def write(token: str) -> bytes:
        try:
            return bytes(symbols[symbol] for symbol in token)
        except KeyError:  # a token that was added, and stands for itself
            return token.encode()

    return write


def _bytes_of_symbols() -> dict[str, int]:
    """Return the byte that each of the 256 printable stand-ins of byte-level BPE is for.

    Printable bytes of Latin-1 stand for themselves, the others are numbered on from U+0100, as
    GPT-2 defined it.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {chr(byte): byte for byte in printable}
    symbols |= {chr(0x100 + index): byte for index, byte in enumerate(others)}
    return symbols
