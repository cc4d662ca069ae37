"""Drawing notes from a network: in the order of time, or wherever there are blanks.

Both take what is given as it is, and whatever a `Guide` allows.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from serving.music.grid import BAR, STEPS_PER_BAR, VOICES
from serving.music.guide import Guide
from serving.noise import uniform
from serving.text.decoding import Decoding
from serving.text.growing import GrowingMemory
from serving.text.memory import Step
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig

OTHER = 0x9E3779B9  # makes another seed of one
PASSES = 64  # through the blanks of a piece
MOST_BLANK, LEAST_BLANK, FALLING = 1.0, 0.02, 0.85  # see `Blanks`


class Drawer(ABC):
    """Draws what is open of pieces, each by its own seed, the same alone and beside others.

    Args:
        network: a `serving.text.memory.Step` or a `Predict`.
        context: most notes that it sees at once, whole bars.
    """

    def __init__(self, network: Any, context: int):
        self.network, self.context = network, context

    @abstractmethod
    def draw(self, guides: Sequence[Guide], seeds: Sequence[int], settings: SamplingConfig) -> None:
        """Draw all that is open.

        Args:
            guides: of the pieces; their `notes` are the result.
            seeds: one for each.
            settings: how notes are drawn from what the network says.
        """

    def with_passes(self, passes: int) -> "Drawer":
        """Return one that draws what is open so often; this one does so once."""
        return self


class BarMemory(GrowingMemory):
    """The `Memory` of music: when it is full, it goes on from the beginning of a bar.

    A position says its place in the bar, and must go on saying so.
    """

    def _newer(self, window: list[int]) -> list[int]:
        return window[max(1, self.context // BAR // 2) * BAR :]


class Forward(Drawer):
    """Draws in the order of time: each note from those before it.

    Args:
        network: a `Step`.
        context: most notes that it sees at once, whole bars.
    """

    network: Step

    def draw(self, guides: Sequence[Guide], seeds: Sequence[int], settings: SamplingConfig) -> None:
        prompts = [self._prompt(guide) for guide in guides]
        left = max(guide.length - guide.begun for guide in guides)
        if not left:
            return
        sampler = Sampler(
            [settings] * len(guides),
            seeds,
            prompts,
            guides[0].pitches.vocabulary_size,
            guides,
        )
        memory = BarMemory(self.network, len(guides), self.context)
        decoding = Decoding(memory, prompts, sampler, max_new_tokens=left)
        for _ in decoding:
            for row in decoding.rows:
                if guides[row].finished:
                    decoding.finish(row)

    def _prompt(self, guide: Guide) -> list[int]:
        """Return the tokens before the first that is drawn, from the beginning of a bar."""
        begun = guide.begun
        guide.start(begun)
        stream = np.concatenate([[guide.pitches.blank], guide.tokens()[:begun]])
        bars = max(0, -(-(len(stream) - self.context) // BAR))
        tokens: list[int] = stream[bars * BAR :].tolist()
        return tokens


class Predict(Protocol):
    """One call of a network that sees all notes at once.

    Args:
        input_ids: int64 `(1, T)`, blanks where notes are not known.
        attention_mask: int64 `(1, T)`, all 1.
        position_ids: int64 `(1, T)`.

    Returns:
        Logits `(1, T, V)`, of the notes themselves.
    """

    def __call__(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, position_ids: np.ndarray
    ) -> np.ndarray: ...


class Blanks(Drawer):
    """Draws by Gibbs sampling: some notes are forgotten and drawn anew, again and again.

    What is open begins blank. In each pass a share of it is forgotten, and drawn from what the
    network says of all the rest; the share falls from everything to next to nothing, so that early
    passes decide the course and later ones its details. A piece longer than the network sees is
    drawn window by window.

    Args:
        network: a `Predict`.
        context: most notes that it sees at once, whole bars.
        passes: through each window.

    References:
        Huang et al. 2017, Coconet (arXiv:1903.07227), section 4.2; the falling share: Yao et al.
        2014 (arXiv:1409.0585).
    """

    network: Predict

    def __init__(self, network: Predict, context: int, passes: int = PASSES):
        super().__init__(network, context)
        self.passes = passes

    def with_passes(self, passes: int) -> Drawer:
        return Blanks(self.network, self.context, passes)

    def draw(self, guides: Sequence[Guide], seeds: Sequence[int], settings: SamplingConfig) -> None:
        for guide, seed in zip(guides, seeds, strict=True):
            self._piece(guide, seed, settings)

    def _piece(self, guide: Guide, seed: int, settings: SamplingConfig) -> None:
        """Draw one piece."""
        sampler = Sampler([settings], [seed], [[0]], guide.pitches.vocabulary_size)
        shares = uniform(seed ^ OTHER)  # of what is forgotten, a stream of its own
        steps, size = len(guide.notes), self.context // VOICES
        ahead = max(STEPS_PER_BAR, size // 2 // STEPS_PER_BAR * STEPS_PER_BAR)
        begins = list(range(0, max(1, steps - size + ahead), ahead))
        for begin in begins:
            last = begin == begins[-1]
            end = min(steps, begin + size)
            own = np.zeros_like(guide.open)  # what this window decides
            own[begin : end if last else begin + ahead] = True
            own &= guide.open
            for done in range(self.passes if own.any() else 0):
                self._pass(guide, own, slice(begin, end), done, sampler, shares)

    def _pass(
        self,
        guide: Guide,
        own: np.ndarray,
        window: slice,
        done: int,
        sampler: Sampler,
        shares: Iterator[float],
    ) -> None:
        """Forget some notes of a window and draw them anew."""
        share = self._share(done)
        places = np.argwhere(own)
        forgotten = [at for at in places.tolist() if next(shares) < share]
        lifted = np.zeros_like(own)
        lifted[tuple(np.array(forgotten, int).reshape(-1, 2).T)] = True
        guide.lift(lifted)
        tokens = guide.tokens().reshape(-1, VOICES)[window].reshape(1, -1)
        logits = self.network(
            tokens, np.ones_like(tokens), np.arange(tokens.shape[1], dtype=np.int64)[None]
        )[0]
        for step, voice in forgotten:
            row = np.asarray(logits[(step - window.start) * VOICES + voice])
            allowed = guide.allowed_at(step, voice)
            chosen = sampler.draw(row[None, allowed])[0]
            guide.put(step, voice, int(allowed[chosen]))

    def _share(self, done: int) -> float:
        """Return the share of notes that are forgotten in a pass, 1 in the first."""
        fallen = done / max(1, FALLING * (self.passes - 1))
        return max(LEAST_BLANK, MOST_BLANK - (MOST_BLANK - LEAST_BLANK) * fallen)
