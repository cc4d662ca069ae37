"""What a VAE is made of, as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]


class VAEConfig(Config):
    """Configuration of `zoo.VAE`.

    Args:
        image_shape: height, width and channels (1 or 3).
        architecture: `dense` is the network of Burda et al. (2016), `convolutional` a residual one.
        hidden: widths of the dense layers of the encoder; the decoder mirrors them. For the
            convolutional network, widths of the dense layers between feature map and latent.
        channels: convolutional only; width at each resolution, finest first. Each resolution
            halves the one before, so height and width must be divisible by `2 ** len(channels)`.
        blocks: convolutional only; residual blocks at each resolution.
        activation: an activation of Keras, by its name.
        latent_dim: width D of the latent.
        likelihood: `bernoulli` for binary images, `discretized_logistic` for 256 grey levels.
        classes: 0 for an unconditional model, else the number of labels of a conditional one
            (CVAE), whose prior depends on the label too.
        objective: `elbo`, or `iwae`, the bound of Burda et al. (2016) with `samples` samples.
        samples: latent samples per image and step.
        beta: weight of the KL term (Higgins et al. 2017); `elbo` only.
        free_bits: nats of KL per latent dimension that cost nothing (Kingma et al. 2016); `elbo`
            only.
    """

    family: Literal["vae"] = "vae"
    image_shape: tuple[Positive, Positive, Positive] = (28, 28, 1)
    architecture: Literal["dense", "convolutional"] = "dense"
    hidden: tuple[Positive, ...] = (200, 200)
    channels: tuple[Positive, ...] = (32, 64)
    blocks: Annotated[int, Field(ge=0)] = 1
    activation: Literal["elu", "gelu", "leaky_relu", "relu", "silu", "softplus", "tanh"] = "tanh"
    latent_dim: Positive = 50
    likelihood: Literal["bernoulli", "discretized_logistic"] = "bernoulli"
    classes: Annotated[int, Field(ge=0)] = 0
    objective: Literal["elbo", "iwae"] = "elbo"
    samples: Positive = 1
    beta: Annotated[float, Field(ge=0)] = 1.0
    free_bits: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        height, width, channels = self.image_shape
        if channels not in (1, 3):
            raise ValueError(
                f"image_shape has {channels} channels; expected 1 (grey) or 3 (colour)"
            )
        if self.objective == "iwae" and (self.beta != 1 or self.free_bits != 0):
            raise ValueError(
                "objective 'iwae' takes no beta and no free_bits; use objective 'elbo'"
            )
        if self.architecture == "convolutional":
            step = 2 ** len(self.channels)
            if not self.channels or height % step or width % step:
                raise ValueError(
                    f"images of {height}x{width} cannot be halved {len(self.channels)} times; "
                    "give one entry of channels per halving, at least one"
                )
        return self
