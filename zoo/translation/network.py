"""The encoder-decoder Transformer (Vaswani et al. 2017), in `keras.ops` alone.

Several short texts may share a row, each seeing itself only, so that a row is as good as full; see
`zoo.translation.rows.packing`.
"""

from typing import Any

import keras
from keras import KerasTensor, initializers, layers, ops

from zoo.transformer.block import Block, normalisation
from zoo.transformer.dropout import Dropout
from zoo.transformer.network import INITIAL_STDDEV, MASKED
from zoo.transformer.positions.rotary import Rotary
from zoo.translation.config import TranslationConfig
from zoo.translation.layers.decoder_block import DecoderBlock
from zoo.translation.layers.relative import RelativeBias

Past = list[tuple[KerasTensor, ...]]


class EncoderDecoder(layers.Layer):
    """Reads a source, and predicts each token of a target from it and from those before.

    Args:
        config: of the model.
        seeds: of the dropout.

    Call arguments:
        inputs: `input_ids` of the source, `(B, S)`; `decoder_input_ids` `(B, T)`; and optionally
            `attention_mask`, int `(B, S)`, 0 for padding. Of rows that hold several texts, also
            `decoder_attention_mask` `(B, T)`: both masks then count the texts of a row from 1; and
            `position_ids`, `decoder_position_ids`: the place of each token in its text.
        training: whether to drop out.

    Returns:
        Logits, float32 `(B, T, vocabulary_size)`.
    """

    def __init__(self, config: TranslationConfig, seeds: keras.random.SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.config = config
        # Tied embeddings begin so small that the logits do, too: they need no factor of W^-0.5,
        # which T5, whose embeddings begin at 1, does.
        self.embedding = layers.ReversibleEmbedding(
            config.vocabulary_size,
            config.width,
            tie_weights=config.tied_embeddings,
            embeddings_initializer=initializers.RandomNormal(stddev=INITIAL_STDDEV),
            reverse_dtype="float32",
            name="embedding",
        )
        self.dropout = Dropout(config.dropout, seeds, name="dropout")
        of_encoder, of_decoder = map(config.stack, (config.encoder_layers, config.decoder_layers))
        self.encoder = [
            Block(of_encoder, seeds, INITIAL_STDDEV, name=f"encoder_{index}")
            for index in range(config.encoder_layers)
        ]
        self.decoder = [
            DecoderBlock(of_decoder, seeds, INITIAL_STDDEV, name=f"decoder_{index}")
            for index in range(config.decoder_layers)
        ]
        self.encoder_norm = normalisation(of_encoder, "encoder_norm")
        self.decoder_norm = normalisation(of_decoder, "decoder_norm")
        self.rotary = self.encoder_bias = self.decoder_bias = None
        if config.positions == "rotary":
            self.rotary = Rotary(config.context, of_encoder.turned_width, of_encoder.rotary_base)
        else:
            sizes = config.heads, config.relative_buckets, config.relative_distance
            self.encoder_bias = RelativeBias(*sizes, causal=False, name="encoder_bias")
            self.decoder_bias = RelativeBias(*sizes, causal=True, name="decoder_bias")

    def build(self, input_shape: Any = None) -> None:
        shape = (None, None, self.config.width)
        self.embedding.build()
        for layer in (*self.encoder, *self.decoder, self.encoder_norm, self.decoder_norm):
            layer.build(shape)
        for bias in (self.encoder_bias, self.decoder_bias):
            if bias is not None:
                bias.build()

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> KerasTensor:
        mask = inputs.get("attention_mask")
        if mask is None:
            mask = ops.ones_like(inputs["input_ids"])
        positions = inputs.get("position_ids")
        states = self.encode(inputs["input_ids"], mask, positions, training=training)
        written = {
            "texts": inputs.get("decoder_attention_mask"),
            "positions": inputs.get("decoder_position_ids"),
        }
        ids = inputs["decoder_input_ids"]
        return self.decode(ids, states, mask, **written, training=training)[0]

    def encode(
        self,
        ids: KerasTensor,
        mask: KerasTensor,
        positions: KerasTensor | None = None,
        training: bool = False,
    ) -> KerasTensor:
        """Return what the encoder makes of each token of a source, `(B, S, W)`.

        Args:
            ids: `(B, S)`.
            mask: int `(B, S)`, 0 for padding.
            positions: of rows that hold several texts, which `mask` counts, `(B, S)`.
            training: whether to drop out.
        """
        length = ops.shape(ids)[1]
        if positions is None:
            bias = _bias(ops.expand_dims(mask > 0, 1))  # (B, 1, 1, S)
            positions = ops.expand_dims(ops.arange(length, dtype="int32"), 0)  # (1, S)
        else:
            bias = _bias(_same_text(mask, mask))  # (B, 1, S, S)
        angles = self.rotary(positions) if self.rotary else None
        relative = self.encoder_bias.scores(0, length) if self.encoder_bias else None
        x = self.dropout(self.embedding(ids), training=training)  # (B, S, W)
        for block in self.encoder:
            x, _ = block(x, bias, angles, relative=relative, training=training)
        return self.encoder_norm(x)

    def decode(
        self,
        ids: KerasTensor,
        states: KerasTensor,
        mask: KerasTensor,
        past: Past | None = None,
        texts: KerasTensor | None = None,
        positions: KerasTensor | None = None,
        training: bool = False,
    ) -> tuple[KerasTensor, Past]:
        """Predict the token after each of those written.

        Args:
            ids: written tokens that were not read yet, `(B, T)`, without padding.
            states: of the source, `(B, S, W)`.
            mask: of the source, int `(B, S)`, 0 for padding.
            past: for each layer keys and values of the P written tokens that were read, and of the
                source, all `(B, heads, P or S, D)`; of nothing read yet, both lengths are 0.
            texts, positions: of rows that hold several texts: the number of each token's, and its
                place there, `(B, T)`.
            training: whether to drop out.

        Returns:
            Logits, float32 `(B, T, V)`, and what is the next call's `past`.
        """
        length = ops.shape(ids)[1]
        seen = ops.shape(past[0][0])[2] if past else 0  # P
        own = _nothing_ahead(seen, length)  # (1, T, P + T)
        if texts is None:
            cross_bias = _bias(ops.expand_dims(mask > 0, 1))  # (B, 1, 1, S)
        else:
            own = ops.logical_and(own, _same_text(texts, texts))
            cross_bias = _bias(_same_text(texts, mask))  # (B, 1, T, S)
        if positions is None:
            positions = ops.expand_dims(seen + ops.arange(length, dtype="int32"), 0)  # (1, T)
        # Other programs may ask for more than there are positions: then the last one stays.
        last = self.config.context - 1
        angles = self.rotary(ops.minimum(positions, last)) if self.rotary else None
        relative = self.decoder_bias.scores(seen, length) if self.decoder_bias else None
        own_bias = _bias(own)  # (B or 1, 1, T, P + T)
        if past:
            # One graph without a branch so serves the first step and the later ones: of no states,
            # there is nothing to multiply.
            states = states[:, ops.shape(past[0][2])[2] :]  # (B, S - L, W)
        x = self.dropout(self.embedding(ids), training=training)  # (B, T, W)
        present = []
        for index, block in enumerate(self.decoder):
            held = past[index] if past else None
            x, read = block(
                x, states, own_bias, cross_bias, angles, held, relative, training=training
            )
            present.append(read)
        return self.embedding(self.decoder_norm(x), reverse=True), present


def _nothing_ahead(seen: KerasTensor | int, length: KerasTensor) -> KerasTensor:
    """Return which tokens each sees, itself and those before: `(1, T, P + T)`."""
    indices = ops.arange(seen + length, dtype="int32")
    return ops.expand_dims(indices <= ops.expand_dims(indices[seen:], 1), 0)


def _same_text(queries: KerasTensor, keys: KerasTensor) -> KerasTensor:
    """Return which pairs are of one text, by its number: `(B, T)`, `(B, S)` -> `(B, T, S)`."""
    keys = ops.expand_dims(keys, 1)
    return ops.logical_and(ops.expand_dims(queries, 2) == keys, keys > 0)


def _bias(visible: KerasTensor) -> KerasTensor:
    """Return what to add to the scores: `(B, T, S)` -> `(B, 1, T, S)`."""
    return ops.expand_dims(ops.where(visible, 0.0, MASKED), 1)
