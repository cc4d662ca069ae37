"""A Transformer over four voices (Huang et al. 2018, Music Transformer, arXiv:1809.04281)."""

from typing import Any

import numpy as np
from keras import KerasTensor, initializers, layers, ops

from serving.music.grid import BAR, VOICES
from zoo.music.config import MusicConfig
from zoo.transformer.config import GPTConfig
from zoo.transformer.network import INITIAL_STDDEV, Transformer


class MusicTransformer(Transformer):
    """Predicts notes from other notes: from those before them, or from all that are known.

    A position says which voice its note belongs to and where in the bar it lies, and both are
    added to what stands for it. With `order="time"` position n holds the note before note n, the
    blank at the very beginning, and its logits are of note n; with `order="any"` it holds note n
    itself, or the blank where that is to be predicted.

    Args:
        config: a `MusicConfig`, or its values as a dict.
        seed: seed of the dropout.

    Call arguments and what is returned: see `zoo.transformer.gpt.GPT`.

    Example:
        >>> import numpy as np
        >>> model = MusicTransformer(MusicConfig(layers=1, width=16, heads=2))
        >>> model(np.full((1, 64), model.config.pitches.blank)).shape
        TensorShape([1, 64, 48])
    """

    Config: type[GPTConfig] = MusicConfig

    def build(self, input_shape=None) -> None:
        self.voice_embedding, self.place_embedding = (
            layers.Embedding(
                rows,
                self.config.width,
                embeddings_initializer=initializers.RandomNormal(stddev=INITIAL_STDDEV),
                name=name,
            )
            for rows, name in (
                (VOICES, "voice_embedding"),
                (BAR, "place_embedding"),
            )
        )
        # Looked up and not divided, which exporters do in floating point.
        places = np.arange(self.config.context, dtype=np.int32)
        self._voices, self._places = places % VOICES, places % BAR
        self.voice_embedding.build()
        self.place_embedding.build()
        super().build(input_shape)

    def call(
        self,
        inputs: KerasTensor | dict[str, Any],
        training: bool = False,
        in_place: bool = False,
    ) -> KerasTensor | dict[str, Any]:
        outputs = super().call(inputs, training=training, in_place=in_place)
        if training or self.config.calibration == 1:  # it is found for what was trained without
            return outputs
        if isinstance(outputs, dict):
            return outputs | {"logits": outputs["logits"] / self.config.calibration}
        return outputs / self.config.calibration

    def embedded(self, ids: KerasTensor, positions: KerasTensor) -> KerasTensor:
        x = super().embedded(ids, positions)
        x = x + self.voice_embedding(ops.take(self._voices, positions, axis=0))
        return x + self.place_embedding(ops.take(self._places, positions, axis=0))
