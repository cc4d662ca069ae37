"""How well a network predicts pieces it was not trained on, and how well its own are made.

The surprise is note-wise: the mean over all sixteenths and voices of `-log p` of the pitch, silence
being one of the pitches, in the pitch that the piece is in. `context` notes are seen at once, and
each is predicted from half of them at least where there are so many.

References:
    Huang et al. 2017, Coconet (arXiv:1903.07227), section 5.1, which gives silence no surprise and
    counts it: `nats_per_note_silence_free` is measured that way. Uria et al. 2014
    (arXiv:1310.1757), of an order of notes that is random: what is measured is the mean over
    orders, of which four are drawn for each window.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from serving.music import chords, rules
from serving.music.composer import Composer, emptied, under
from serving.music.grid import BAR, STEPS_PER_BAR, VOICES, Pitches
from serving.music.piece import TEMPO, Piece
from serving.text.filters import log_softmax
from serving.text.sampling_config import SamplingConfig
from serving.text.scoring import score
from zoo.config import Config
from zoo.metric import Metric
from zoo.music.batches import blank_windows
from zoo.music.config import MusicConfig
from zoo.music.pieces import Parts

TEMPERATURE = 0.95  # of the pieces whose rules are counted
UNDER_SOPRANO = (1, 2, 3)  # the voices of a harmonisation
PIECE_BARS = 16  # that rules are counted for; Bach's pieces have 15 on the average
SEED = 0


class MusicEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe of music.

    Args:
        limit: pieces of each part that are predicted; all unless given.
        samples: pieces that are drawn to count broken rules in.
        bars: of each of them.
        melodies: pieces of the test part whose melody is harmonised.
        batch_size: windows at once while validating in training; it changes no value.
    """

    limit: Annotated[int, Field(ge=1)] | None = None
    samples: Annotated[int, Field(ge=1)] = 16
    bars: Annotated[int, Field(ge=1)] = 16
    melodies: Annotated[int, Field(ge=1)] = 8
    batch_size: Annotated[int, Field(ge=1)] = 16


class Surprise(NamedTuple):
    """What `-log p` was, of the notes of one piece that were predicted.

    Attributes:
        nats: of each, float64 `(N,)`.
        silent: whether it was silence, bool `(N,)`.
        weights: how much each counts, float64 `(N,)`.
    """

    nats: np.ndarray
    silent: np.ndarray
    weights: np.ndarray


Predicted = Callable[[np.ndarray], Surprise]


def evaluate(
    composer: Composer, config: MusicConfig, parts: Parts, settings: MusicEvaluateConfig
) -> Iterator[Metric]:
    """Yield the surprise at the test and the validation part, and what the rules say of samples.

    Args:
        composer: draws with the network, whatever runs it.
        config: of the network.
        parts: pieces, int16 `(T, 4)`, by part.
        settings: of the recipe.
    """
    parts = {part: pieces[: settings.limit] for part, pieces in parts.items()} | {
        "train": parts["train"]
    }
    predict = predicted(composer, config)
    test = [predict(piece) for piece in parts["test"]]
    validation = [predict(piece) for piece in parts["validation"]]
    yield from _surprises(test, validation, parts, config)
    if config.order == "any":
        voices = [_in_any_order(composer, config, UNDER_SOPRANO)(p) for p in parts["validation"]]
        what = "in a random order, given the whole soprano"
    else:
        voices = [_lower(each) for each in validation]
        what = "given what came before and the soprano of their own sixteenth"
    told = f"mean -log p of alto, tenor and bass, {what}; validation part"
    yield _nats("nats_under_melody_validation", _mean(voices), told, voices)
    yield from _counted(composer, parts["test"], settings)


def predicted(composer: Composer, config: MusicConfig) -> Predicted:
    """Return what measures the surprise at a piece: in the order of time, or in random orders."""
    if config.order == "any":
        return _in_any_order(composer, config, tuple(range(VOICES)))
    step: Any = composer.drawer.network

    def measure(piece: np.ndarray) -> Surprise:
        stream = np.concatenate([[config.pitches.blank], config.pitches.tokens(piece)])
        stride = max(1, config.bars // 2) * BAR
        found = score(step, stream, context=config.context, stride=stride)
        silent = (piece < 0).ravel()
        return Surprise(-found.log_probs, silent, np.ones(len(silent)))

    return measure


def _in_any_order(composer: Composer, config: MusicConfig, voices: tuple[int, ...]) -> Predicted:
    """Return what measures the surprise at some voices in random orders, the others given."""
    predict: Any = composer.drawer.network

    def measure(piece: np.ndarray) -> Surprise:
        arrays = blank_windows([piece], config.pitches, config.context, voices)
        found: list[list[np.ndarray]] = [[], [], []]
        for inputs, targets, mask, weights in zip(*arrays, strict=True):
            there = int(mask.sum())
            ids = inputs[None, :there].astype(np.int64)
            logits = predict(ids, np.ones_like(ids), np.arange(there)[None])[0]
            logs = np.take_along_axis(log_softmax(logits), targets[:there, None], 1)[:, 0]
            blank = weights[:there] > 0
            for kept, values in zip(found, (-logs, targets[:there] == 0, weights), strict=True):
                kept.append(values[:there][blank])
        return Surprise(*map(np.concatenate, found))

    return measure


def _lower(surprise: Surprise) -> Surprise:
    """Leave the soprano out."""
    lower = np.arange(len(surprise.nats)) % VOICES != 0
    return Surprise(*(values[lower] for values in surprise))


def _mean(surprises: list[Surprise], silence_free: bool = False) -> float:
    """Return the mean over all notes of all pieces."""
    nats, silent, weights = map(np.concatenate, zip(*surprises, strict=True))
    counted = np.where(silent, 0, nats) if silence_free else nats
    return float(np.average(counted, weights=weights))


def _surprises(
    test: list[Surprise], validation: list[Surprise], parts: Parts, config: MusicConfig
) -> Iterator[Metric]:
    how = "in the order of time" if config.order == "time" else "in a random order"
    every = f"mean -log p of the pitch of every sixteenth and voice, silence included, {how}"
    floors = floor(parts["train"], parts["test"], config.pitches)
    yield _nats("nats_per_note", _mean(test), every, test, floor=floors)
    told = f"{every}, of the validation part, which chose the weights"
    held = floor(parts["train"], parts["validation"], config.pitches)
    yield _nats("nats_per_note_validation", _mean(validation), told, validation, floor=held)
    for name, surprises in (("", test), ("_validation", validation)):
        told = "as nats_per_note" + name + ", silence without surprise but counted, as Coconet does"
        free = _mean(surprises, silence_free=True)
        yield _nats(f"nats_per_note_silence_free{name}", free, told, surprises)
        by_piece = float(np.mean([_mean([each]) for each in surprises]))
        told = f"mean over pieces of the mean of each, as nats_per_note{name}"
        yield _nats(f"nats_per_note_by_piece{name}", by_piece, told, surprises)
    told = f"{VOICES} times nats_per_note: the surprise at all voices of a sixteenth"
    yield _nats("nats_per_sixteenth", VOICES * _mean(test), told, test)


def floor(train: list[np.ndarray], pieces: list[np.ndarray], pitches: Pitches) -> float:
    """Return the mean nats per note of what knows no music but how often notes are held.

    Of each voice the note before is expected as often as the training part holds notes, and else a
    pitch as often as the voice begins it there.

    Args:
        train: pieces that the shares are taken from, `(T, 4)` each.
        pieces: that are predicted.
        pitches: of the tokens.

    Example:
        >>> piece = np.array([[60, 55, 52, 48]] * 16)
        >>> round(floor([piece], [piece], Pitches(36, 81)), 3)
        1.498
    """
    ids = [pitches.tokens(piece).reshape(-1, VOICES) for piece in train]
    shares, held = np.ones((VOICES, pitches.blank)), np.ones(VOICES)
    for each in ids:
        for voice, line in enumerate(each.T):
            begins = np.diff(line, prepend=-1) != 0
            shares[voice] += np.bincount(line[begins], minlength=pitches.blank)
            held[voice] += (~begins).sum()
    held /= held + shares.sum(1)
    shares /= shares.sum(1, keepdims=True)
    nats = []
    for piece in pieces:
        tokens = pitches.tokens(piece).reshape(-1, VOICES)
        same = np.diff(tokens, axis=0, prepend=-1) == 0
        expected = np.where(same, held, (1 - held) * shares[np.arange(VOICES), tokens])
        expected[0] = shares[np.arange(VOICES), tokens[0]]  # nothing to be held
        nats.append(-np.log(expected).ravel())
    return float(np.concatenate(nats).mean())


def _counted(
    composer: Composer, test: list[np.ndarray], settings: MusicEvaluateConfig
) -> Iterator[Metric]:
    """Yield how often rules are broken, and how many frames are chords, beside Bach's own."""
    sampling = SamplingConfig(temperature=TEMPERATURE)
    for name, keep in (("samples", False), ("samples_under_rules", True)):
        pieces = composer.compose(
            emptied(settings.bars * STEPS_PER_BAR),
            TEMPO,
            settings.samples,
            SEED,
            sampling,
            rules=keep,
        )
        yield _rules(name, [piece.notes for piece in pieces], test)
    melodies = [Piece(piece) for piece in test if (piece[:, 0] >= 0).any()][: settings.melodies]
    for name, keep in (("harmonised", False), ("harmonised_under_rules", True)):
        notes = [
            piece.notes
            for at, melody in enumerate(melodies)
            for piece in composer.compose(under(melody), TEMPO, 1, SEED + at, sampling, rules=keep)
        ]
        yield _rules(name, notes, [melody.notes for melody in melodies])
        share = float(np.concatenate([chords.accepted(each) for each in notes]).mean())
        bach = float(np.concatenate([chords.accepted(each.notes) for each in melodies]).mean())
        yield Metric(
            name=f"chords_{name}",
            value=share,
            unit="",
            definition="share of sixteenths that sound a chord, see serving.music.chords; Bach's "
            f"own voices under the same melodies: {bach:.4f}",
            samples=len(notes),
            counted="melodies",
            seed=SEED,
            better="higher",
            floor=bach,
        )


def _rules(name: str, pieces: list[np.ndarray], bach: list[np.ndarray]) -> Metric:
    """Return how often rules are broken in 16 bars, and what each of them has of it."""
    own, others = broken(pieces), broken(bach)
    words = ", ".join(f"{key} {value:.2f}" for key, value in own.items())
    theirs = ", ".join(f"{key} {value:.2f}" for key, value in others.items())
    total = sum(others.values())
    return Metric(
        name=f"rules_broken_{name}",
        value=sum(own.values()),
        unit="/16 bars",
        definition=f"rules of voice leading broken in {PIECE_BARS} bars ({words}), see "
        f"serving.music.rules; in Bach's pieces {total:.2f} ({theirs})",
        samples=len(pieces),
        counted="pieces",
        seed=SEED,
        floor=total,
    )


def broken(pieces: list[np.ndarray]) -> dict[str, float]:
    """Return how often each rule is broken in 16 bars.

    Example:
        >>> broken([np.array([[72, 64, 55, 48], [74, 65, 57, 50]])])["fifths"]
        128.0
    """
    counts = np.sum([rules.count(piece) for piece in pieces], axis=0)
    scale = PIECE_BARS * STEPS_PER_BAR / sum(map(len, pieces))
    return dict(zip(rules.Counts._fields, (counts * scale).tolist(), strict=True))


def _nats(
    name: str, value: float, definition: str, surprises: list[Surprise], **details: float
) -> Metric:
    return Metric(
        name=name,
        value=value,
        unit="nats/note",
        definition=definition,
        samples=sum(len(each.nats) for each in surprises),
        counted="notes",
        seed=SEED,
        **details,
    )
