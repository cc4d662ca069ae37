"""The discriminator: a trunk that turns images into features, and what it says of them."""

from keras import KerasTensor, layers, ops

from zoo.gan.config import GANConfig
from zoo.gan.networks.infogan import Finder
from zoo.gan.normalization import spectral


class Discriminator(layers.Layer):
    """Judges images, one by one: no example changes what is said of another.

    But for that of the architecture `infogan`: in training, batch normalisation mixes them.

    Args:
        config: of the GAN.
        trunk: maps images `(B, H, W, C)` on [-1, 1] to features `(B, F)`; F is `trunk.features`.

    Call arguments:
        image: `(B, H, W, C)` on [-1, 1].
        condition: one-hot labels `(B, classes)` of a conditional model.
        training: whether spectral norms go on to converge; Keras hands it to the layers inside.

    Returns:
        A dict of `logits`, `(B,)`, high for real; with a classifier also `class_logits`,
        `(B, classes)`; and with continuous codes what it takes these for, `codes`,
        `(B, continuous)`.

    Reference:
        The projection is that of Miyato and Koyama 2018 (arXiv:1802.05637), eq. 3; the classifier
        that of Odena et al. 2017 (arXiv:1610.09585).
    """

    def __init__(self, config: GANConfig, trunk: layers.Layer, **kwargs):
        super().__init__(**kwargs)
        self.trunk = trunk
        self.bounded = config.spectral_normalization
        self.realness = self._dense(1, name="realness")
        self.projection = self.classifier = self.coder = self.finder = None
        if config.classes and config.conditioning == "projection":
            self.projection = self._dense(trunk.features, use_bias=False, name="projection")
        elif config.classes:
            self.classifier = self._dense(config.classes, name="classifier")
        if self.classifier is not None and config.architecture == "infogan":
            self.finder = Finder(name="finder")
        if config.continuous:
            self.coder = self._dense(config.continuous, name="coder")

    def _dense(self, width: int, **kwargs) -> layers.Layer:
        return spectral(layers.Dense(width, dtype="float32", **kwargs), self.bounded)

    def call(
        self, image: KerasTensor, condition: KerasTensor | None = None, training: bool = False
    ) -> dict[str, KerasTensor]:
        features = ops.cast(self.trunk(image), "float32")  # (B, F)
        logits = self.realness(features)[:, 0]
        if self.projection is not None:
            logits = logits + ops.sum(self.projection(condition) * features, axis=-1)
        if self.classifier is None:
            return {"logits": logits}
        if self.finder is not None:
            features = ops.cast(self.finder(features), "float32")
        said = {"logits": logits, "class_logits": self.classifier(features)}
        return said if self.coder is None else said | {"codes": self.coder(features)}
