"""What a server takes on: the bounds that keep its memory and its answers' times."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds of a server; what is beyond them is refused before anything is computed.

    Attributes:
        body_bytes: of one request, also once it is decompressed.
        json_bytes: of its part in JSON, which takes many times its size in memory.
        json_depth: lists and objects within each other.
        bytes_held: of the bodies of all requests that are here at once.
        answer_bytes: of the arrays that one request gives.
        pixels: of a picture that is sent; twice as many are refused.
        rows: images, or texts, that one request asks for.
        tokens: that one request asks for, of all its texts together.
        characters: of one text that is given.
        rows_held: of all requests that are here at once, waiting or being answered.
        requests: that are here at once.
        requests_of_model: that wait for the threads of one model, or that these work for; an eighth
            while many are being refused, see `serving.server.work.line`. No bound of texts.
        requests_of_one: of one client, by its key or address; None for no bound of its own.
        seconds: until a request must be answered, unless it asks for less.
        reading_seconds: until a request must be here.
        sending_seconds: beyond `seconds`, until its client must have read the answer.
        closing_seconds: that a server which is told to stop leaves to the requests that it has.
        rows_together: that a graph computes at once.
        texts_together: that a language model writes at once.
    """

    body_bytes: int = 64 * 2**20
    json_bytes: int = 8 * 2**20
    json_depth: int = 32
    bytes_held: int = 256 * 2**20
    answer_bytes: int = 256 * 2**20
    pixels: int = 2**24
    rows: int = 1024
    tokens: int = 2**16
    characters: int = 2**20
    rows_held: int = 4096
    requests: int = 256
    requests_of_model: int = 128
    requests_of_one: int | None = None
    seconds: float = 300.0
    reading_seconds: float = 30.0
    sending_seconds: float = 60.0
    closing_seconds: float = 10.0
    rows_together: int = 64
    texts_together: int = 16
