"""Judges say what they can judge: other images, other classes or too few of them are refused."""

from serving.errors import UsageError
from zoo.data.images import Images
from zoo.judge.judge import Judge
from zoo.judge.samples import LEAST_IMAGES

_OTHER_JUDGE = (
    "set evaluate.judge to pixels, or to the run of a judge of these images, "
    "as `genzoo train judge-mnist --set data.name=...` makes one"
)


def check(judge: Judge, images: Images) -> None:
    """Make sure that a judge can measure images that are like those of a data set.

    Args:
        judge: who is to be consulted.
        images: of the recipe; `validation` and `test` are what generated ones are compared with.

    Raises:
        UsageError: it takes other images, knows other classes, or there are too few to compare
            with.
    """
    name, source = images.config.name, images.source
    if judge.image_shape not in (None, images.image_shape):
        ours, theirs = (
            "x".join(map(str, each)) for each in (judge.image_shape, images.image_shape)
        )
        raise UsageError(
            f"judge '{judge.name}' takes images of {ours}, not {theirs}; {_OTHER_JUDGE}"
        )
    known = judge.class_names or source.class_names
    if judge.classes > 1 and (judge.classes, known) != (source.classes, source.class_names):
        raise UsageError(
            f"judge '{judge.name}' knows {_words(judge.classes, judge.class_names)}, and '{name}' "
            f"has {_words(source.classes, source.class_names)}; {_OTHER_JUDGE}"
        )
    for part, remedy in (
        ("validation", "raise data.validation"),
        ("test", "bring more images, or put as many into a folder test/ beside train/"),
    ):
        if images.count(part) < LEAST_IMAGES:
            remedy = "raise data.limit" if images.count(part) == images.config.limit else remedy
            raise UsageError(
                f"the {part} part of '{name}' has {images.count(part)} images; a generator is "
                f"measured on at least {LEAST_IMAGES}, as the covariance of fewer says little; "
                f"{remedy}"
            )


def _words(classes: int, names: tuple[str, ...]) -> str:
    """Say how many classes there are, and what the first are called."""
    shown = ", ".join(map(repr, names[:4])) + ", ..." * (len(names) > 4)
    return f"{classes or 'no'} classes" + f" ({shown})" * bool(names)
