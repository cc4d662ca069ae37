"""A network that paints photographs in the style of any picture, at run time."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Record
from serving.bundle.refusal import plain
from serving.calls import call
from serving.errors import UsageError, first_line, nearest
from serving.families.model import Axes, Model, Timed, check_interface
from serving.parameters import Parameter
from serving.photographs.photograph import Photograph
from serving.photographs.restyling import MOST_SIDE, SIDE, SMALLEST, Styler, mixed
from serving.photographs.style_file import Style, named_styles
from serving.runtime.loaded import Loaded

PREDICTOR, PAINTER = "predictor", "painter"
IMAGE, STYLE, PAINTED = "image", "style", "painted"
STYLES = "styles"  # the asset
TIMED = 256  # pixels of a side of what is timed

Photographs = Annotated[Any, Parameter("to paint, of any size", content="photograph")]
Picture = Annotated[Any, Parameter("whose style is kept, of any size", content="photograph")]
Styles = Annotated[
    Any,
    Parameter(
        "a picture, a .style file, or a name that the card lists; several are mixed",
        content="style",
        options=("--style",),
        file=True,
        example=lambda processing: next(iter(processing.styles), None),
    ),
]
Weights = Annotated[
    Sequence[float],
    Parameter("how much each of several styles counts", minimum=0, each=True, kind="float"),
]
Alpha = Annotated[
    float,
    Parameter("how much of the style, from 0, as the photograph is, to 1", minimum=0, maximum=1),
]
Side = Annotated[
    int,
    Parameter(
        "pixels of the longer side that is painted, at most; what is larger is made smaller for it",
        minimum=SMALLEST,
        maximum=MOST_SIDE,
    ),
]


class StyleProcessing(Record):
    """How photographs and styles enter and leave the graphs.

    Intensities are levels of 255 divided by 255, `(batch, height, width, 3)`.

    Attributes:
        style: numbers that a style is.
        styles: names of those that come with the model.
        model: digest of the weights, by which styles in files are told.
    """

    style: Annotated[int, Field(ge=1, le=4096)]
    styles: Annotated[list[Annotated[str, Field(max_length=80)]], Field(max_length=4096)] = []
    model: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    layout: Literal["NHWC"] = "NHWC"


class Restyler(Model):
    """A network that paints photographs in any style, loaded by `serving.load`.

    How a photograph is painted depends on all of it, so it goes through as a whole; of large ones
    `side` bounds the memory. Wrong arguments raise `UsageError`.

    Attributes:
        styles: those that come with the model, by name.

    Example:
        >>> import serving
        >>> model = serving.load("bundles/painter")  # doctest: +SKIP
        >>> painted = model.restyle(np.zeros((20, 30, 3), np.uint8), "great-wave", alpha=0.7)
        ... # doctest: +SKIP
    """

    Processing = StyleProcessing

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        processing: StyleProcessing = self.processing
        _check_graphs(loaded, processing.style)
        self.styles = _styles(loaded.manifest, loaded.assets, processing)
        predictor, painter = (loaded.sessions[role] for role in (PREDICTOR, PAINTER))

        def predict(image: np.ndarray) -> np.ndarray:
            return np.asarray(predictor.run([STYLE], {IMAGE: image})[0])

        def paint(image: np.ndarray, style: np.ndarray) -> np.ndarray:
            return np.asarray(painter.run([PAINTED], {IMAGE: image, STYLE: style})[0])

        self.styler = Styler(predict, paint)

    @call(gives="photograph")
    def restyle(
        self,
        photograph: Photographs,
        style: Styles = (),
        weights: Weights = (),
        alpha: Alpha = 1.0,
        side: Side = SIDE,
    ) -> Any:
        """Paint a photograph in a style.

        Args:
            photograph: pixels, uint8 `(H, W)` or `(H, W, C)` of 1 to 4 channels, of 2 and 4 the
                last being alpha; an image of Pillow; a `Photograph`; or a list of such.
            style: a picture likewise, a `Style`, or the name of one of `styles`; or a list of such,
                which are mixed.
            weights: how much each of several styles counts; all the same unless given.
            alpha: how much of the style: 0 leaves the photograph about as it is.
            side: pixels of the longer side that is painted; a larger photograph is made smaller for
                it, and its painting as large as the photograph.

        Returns:
            Pixels for pixels, uint8 `(H, W, 3)`, or `(H, W, 4)` with alpha; else a `Photograph`,
            with the alpha and the colour profile of the one given; a list for a list.
        """
        wanted = self._mixed(style, weights)
        if isinstance(photograph, list | tuple):
            return [self._painted(each, wanted, alpha, side) for each in photograph]
        return self._painted(photograph, wanted, alpha, side)

    @call(gives="style")
    def learn_style(self, picture: Picture) -> Style:
        """Keep the style of a picture, in some hundred bytes.

        Args:
            picture: as of `restyle`; of several, their mean.

        Returns:
            The style, which `restyle` takes, and which `save` writes to a file.
        """
        return Style(self._mixed(picture, ()), self.processing.model)

    def _mixed(self, given: Any, weights: Sequence[float]) -> np.ndarray:
        several = [*given] if isinstance(given, list | tuple) else [given]
        if not several:
            known = f", such as {next(iter(self.styles))}" if self.styles else ""
            raise UsageError(f"no style is given; name a picture or a style{known}")
        return mixed([self._style(each) for each in several], [*weights] or None)

    def _style(self, given: Any) -> np.ndarray:
        if isinstance(given, str):
            if given not in self.styles:
                hint = nearest(given, self.styles) or "; the card lists them"
                raise UsageError(f"there is neither a picture nor a style '{given:.80}'{hint}")
            return self.styles[given]
        if not isinstance(given, Style):
            return self.styler.style(_photograph(given))
        if given.model != self.processing.model:
            raise UsageError(
                f"the style is of model {plain(given.model, 16)}, and {self.manifest.name} is "
                f"{self.processing.model}; learn it again from the picture"
            )
        if given.values.shape != (self.processing.style,):
            raise UsageError(
                f"the style has {given.values.size} numbers; expected {self.processing.style}"
            )
        return given.values

    def _painted(self, given: Any, style: np.ndarray, alpha: float, side: int) -> Any:
        painted = self.styler.paint(_photograph(given), style, alpha, side)
        whole = isinstance(given, Photograph | Image.Image)
        return painted if whole else np.asarray(painted.image)

    @classmethod
    def check_assets(cls, manifest: Manifest, assets: dict[str, bytes]) -> str:
        found = _styles(manifest, assets, cls.processing_of(manifest))
        return f"{len(found)} styles"

    def timed(self, batch: int) -> dict[str, Timed]:
        """Return `generate`, which is `restyle`, and the painter alone, of so many photographs."""
        random = np.random.default_rng(0)
        image = random.random((batch, TIMED, TIMED, 3), np.float32)
        pixels = (image * 255).astype(np.uint8)
        style = self.styler.style(Photograph.of(pixels[0]))
        styles = np.repeat(style[None], batch, axis=0)
        known = Style(style, self.processing.model)
        return {
            "graph": Timed(lambda: self.styler.painter(image, styles), batch),
            "generate": Timed(lambda: [self.restyle(each, known) for each in pixels], batch),
        }

    def smallest(self) -> object:
        pixel = np.zeros((1, 1, 3), np.uint8)
        return self.restyle(pixel, pixel)


def _photograph(given: Any) -> Photograph:
    if isinstance(given, Photograph):
        return given
    if isinstance(given, Image.Image):
        return Photograph.of_image(given)
    return Photograph.of(np.asarray(given))


def _styles(
    manifest: Manifest, assets: dict[str, bytes], processing: StyleProcessing
) -> dict[str, np.ndarray]:
    """Return the styles that come with a model, by name."""
    if STYLES not in assets:
        raise BundleError(f"{manifest.name} has no asset '{STYLES}', which such a model needs")
    try:
        found = dict(named_styles(assets[STYLES], processing.style))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the styles of {manifest.name}: {first_line(error)}") from None
    if [*found] != processing.styles:
        raise BundleError(f"the styles of {manifest.name} are not those that it names")
    return found


def _check_graphs(loaded: Loaded, size: int) -> None:
    """Refuse a bundle whose graphs are not of the sizes that it names."""
    image: list[str | int] = ["batch_size", "height", "width", 3]
    style: list[str | int] = ["batch_size", size]
    takes: Axes = {IMAGE: image, STYLE: style}
    expected: dict[str, tuple[Axes, Axes]] = {
        PAINTER: (takes, {PAINTED: image}),
        PREDICTOR: ({IMAGE: image}, {STYLE: style}),
    }
    check_interface(loaded.manifest, expected)
