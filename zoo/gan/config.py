"""What a GAN is made of, as data."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Policy = Literal[
    "brightness", "saturation", "contrast", "translation", "cutout", "affine", "strokes"
]


class GANConfig(Config):
    """Configuration of `zoo.gan.GAN`.

    Args:
        image_shape: height, width and channels (1 or 3).
        architecture: `dense` is the network of Goodfellow et al. (2014), `dcgan` that of Radford et
            al. (2016) without normalisation in the discriminator, `residual` that of Miyato et al.
            (2018), `infogan` that of Chen et al. (2016), whose discriminator has batch
            normalisation and takes no penalty on its slope.
        hidden: `dense` and `infogan`; widths of the generator's dense layers. The discriminator has
            them reversed.
        channels: all but `dense`; width at each resolution, finest first. Each halves the
            image, so height and width must be divisible by `2 ** len(channels)`.
        discriminator_channels: `dcgan` only; width of each of the discriminator's convolutions, if
            not as `channels`. More of them see more of the image at once; each halves it, rounding
            up.
        latent_dim: width D of the latent.
        classes: 0 for an unconditional model, else the number of labels of a conditional one.
        conditioning: how the discriminator of a conditional model judges the label: `projection`
            (Miyato and Koyama 2018), or `auxiliary`, a classifier (AC-GAN, Odena et al. 2017).
            With `implicit` no labels are read: each image is drawn with a class at random, which
            the classifier learns to find in it, so that classes come to be what images differ in
            (InfoGAN, Chen et al. 2016, arXiv:1606.03657).
        continuous: `implicit` only; so many numbers at the beginning of the latent are to be found
            in an image too, and come to be what images of a class differ in.
        continuous_weight: of their squared error in both networks' losses.
        agreement: `implicit` only, with `augment`; how much it counts that the classifier says the
            same of two views of a real image, and all classes alike often (Hu et al. 2017,
            arXiv:1702.08720). So classes come to be what views have in common.
        auxiliary_weight: of the classifier's cross-entropy in the generator's loss; 1 in the paper.
            Less of it leaves more room for images that are hard to classify.
        loss: see `zoo.gan.losses`.
        label_smoothing: taken from the target of real images (Salimans et al. 2016);
            `non_saturating` and `least_squares` only.
        gradient_penalty: weight of the penalty of WGAN-GP (Gulrajani et al. 2017); 10 in the paper.
        r1: weight gamma of the R1 penalty (Mescheder et al. 2018); 10 in the paper.
        spectral_normalization: bound the slope of every layer of the discriminator.
        discriminator_steps: of each training step, with the same real images and new noise.
        learning_rate_ratio: the discriminator's learning rate over the generator's (the two time
            scales of Heusel et al. 2017).
        augment: what is varied of every image that the discriminator sees, for small data
            (DiffAugment, Zhao et al. 2020).

    Example:
        >>> GANConfig(loss="wasserstein", gradient_penalty=10.0).channels
        (64, 128)
    """

    family: Literal["gan"] = "gan"
    image_shape: tuple[Positive, Positive, Positive] = (28, 28, 1)
    architecture: Literal["dense", "dcgan", "residual", "infogan"] = "dcgan"
    hidden: tuple[Positive, ...] = (256, 512, 1024)
    channels: tuple[Positive, ...] = (64, 128)
    discriminator_channels: tuple[Positive, ...] | None = None
    latent_dim: Positive = 100
    classes: Annotated[int, Field(ge=0)] = 0
    conditioning: Literal["projection", "auxiliary", "implicit"] = "projection"
    auxiliary_weight: Weight = 1.0
    loss: Literal["non_saturating", "hinge", "least_squares", "wasserstein"] = "non_saturating"
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    gradient_penalty: Weight = 0.0
    r1: Weight = 0.0
    spectral_normalization: bool = False
    discriminator_steps: Positive = 1
    learning_rate_ratio: Annotated[float, Field(gt=0)] = 1.0
    augment: tuple[Policy, ...] = ()
    continuous: Annotated[int, Field(ge=0)] = 0
    continuous_weight: Weight = 0.1
    agreement: Weight = 0.0

    later: ClassVar[tuple[str, ...]] = ("continuous", "continuous_weight", "agreement")

    @model_validator(mode="after")
    def _networks_hold_together(self) -> Self:
        height, width, channels = self.image_shape
        if channels not in (1, 3):
            raise ValueError(
                f"image_shape has {channels} channels; expected 1 (grey) or 3 (colour)"
            )
        if self.discriminator_channels and self.architecture != "dcgan":
            raise ValueError(
                f"architecture '{self.architecture}' takes no discriminator_channels; leave them "
                "out, or set architecture to dcgan"
            )
        if self.architecture in ("dense", "infogan") and not self.hidden:
            raise ValueError("hidden is empty; give the width of at least one layer")
        if self.architecture == "infogan" and (
            self.r1 or self.gradient_penalty or self.spectral_normalization
        ):
            raise ValueError(
                "the discriminator of architecture 'infogan' is normalised by the batch; leave r1, "
                "gradient_penalty and spectral_normalization out"
            )
        if self.architecture == "dense":
            return self
        step = 2 ** len(self.channels)
        if not self.channels or height % step or width % step:
            raise ValueError(
                f"images of {height}x{width} cannot be halved {len(self.channels)} times; "
                "give one entry of channels per halving, at least one"
            )
        return self

    @model_validator(mode="after")
    def _training_holds_together(self) -> Self:
        if self.label_smoothing and self.loss in ("hinge", "wasserstein"):
            raise ValueError(
                f"loss '{self.loss}' has no targets to smooth; set label_smoothing to 0, or loss "
                "to non_saturating or least_squares"
            )
        if self.gradient_penalty and self.r1:
            raise ValueError("gradient_penalty and r1 are both set; choose one")
        if self.loss == "wasserstein" and not (
            self.gradient_penalty or self.spectral_normalization
        ):
            raise ValueError(
                "loss 'wasserstein' needs a bounded slope; set gradient_penalty (10 in the paper) "
                "or spectral_normalization"
            )
        if len(set(self.augment)) < len(self.augment):
            raise ValueError(f"augment is {', '.join(self.augment)}; give each policy once")
        if "saturation" in self.augment and self.image_shape[-1] == 1:
            raise ValueError("augment has saturation, and grey images have none; leave it out")
        return self

    @model_validator(mode="after")
    def _classes_hold_together(self) -> Self:
        if self.auxiliary_weight != 1 and not self.classifies:
            raise ValueError(
                "auxiliary_weight goes with classes and conditioning 'auxiliary' or 'implicit', "
                "which alone have a classifier; leave it out"
            )
        if self.conditioning == "implicit" and self.classes < 2:
            raise ValueError(
                "conditioning 'implicit' finds classes that nobody named; set classes to how many, "
                "2 at least"
            )
        if self.agreement and not (self.conditioning == "implicit" and self.augment):
            raise ValueError(
                "agreement is of what is found in two views of an image; set conditioning to "
                "implicit, and augment to how views vary"
            )
        if self.continuous and self.conditioning != "implicit":
            raise ValueError("continuous goes with conditioning 'implicit'; leave it out")
        if self.continuous > self.latent_dim:
            raise ValueError(
                f"continuous {self.continuous} exceeds latent_dim {self.latent_dim}, of which it "
                "is the beginning"
            )
        return self

    @property
    def classifies(self) -> bool:
        """Whether the discriminator has a classifier."""
        return self.classes > 0 and self.conditioning != "projection"

    @property
    def implicit(self) -> bool:
        """Whether classes are found, and not read."""
        return self.conditioning == "implicit"

    @property
    def data_classes(self) -> int:
        """Labels that are read from the data set."""
        return 0 if self.implicit else self.classes
