"""The recipe of a model of video."""

from typing import Any, ClassVar, Self

from serving.errors import UsageError
from zoo.codes.config import CodesConfig
from zoo.data.moving.config import MovingConfig
from zoo.recipe import Recipe
from zoo.training.beginning import recipe_of
from zoo.video.config import VideoConfig
from zoo.video.evaluate import VideoEvaluateConfig
from zoo.video.task import VideoTask
from zoo.video.video import Video


class VideoRecipe(Recipe):
    """Sequences of frames, a `zoo.video.Video`, and the frames that came as the measure."""

    model: VideoConfig
    data: MovingConfig
    evaluate: VideoEvaluateConfig = VideoEvaluateConfig()

    # Of frames that need no download.
    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "model.layers": 1,
        "model.width": 32,
        "model.heads": 2,
        "data.name": "moving-digits",
        "data.count": 64,
        "data.validation": 32,
        "data.test": 16,
        "train.steps_per_epoch": 4,
        "evaluate.judge": None,
    }
    part: ClassVar[str] = "video"
    earlier: ClassVar[dict[str, str]] = {"codes": "model.codes"}

    def completed(self) -> Self:
        """Return the recipe with the sizes of the codes."""
        codes = recipe_of(self.model.codes).model
        if not isinstance(codes, CodesConfig):
            raise UsageError(
                f"model.codes is {self.model.codes}, of family '{codes.family}'; expected a run "
                "of codes, as of the recipe codes-moving-mnist"
            )
        if codes.quantizer != "fsq" or len({*codes.levels}) > 1:
            raise UsageError(
                f"the codes of {self.model.codes} are not of numbers that can all be the same; "
                "train them with model.quantizer=fsq and model.levels such as [8,8,8,8,8]"
            )
        if codes.image_shape != self.data.frame_shape:
            ours, theirs = (
                "x".join(map(str, shape)) for shape in (codes.image_shape, self.data.frame_shape)
            )
            raise UsageError(
                f"the codes of {self.model.codes} are of images of {ours}, and frames of "
                f"{self.data.name} are {theirs}; train codes of these first, as the recipe "
                "codes-moving-mnist does"
            )
        sizes = {
            "model.grid": list(codes.grid),
            "model.numbers": len(codes.levels),
            "model.levels": codes.levels[0],
        }
        return self.changed(sizes)

    def build(self) -> Video:
        """Make the model, untrained."""
        return Video(self.model)

    def task(self) -> VideoTask:
        """Make the sequences up and tell them by codes."""
        return VideoTask(self)
