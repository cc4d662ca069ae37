"""Pictures of one's own, and data sets of them."""

import pytest
from PIL import Image

from serving.errors import GenzooError
from zoo.data import prepare


def draw(path, size=(8, 8), mode="L", fill=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, fill).save(path)
    return path


def photos(root, count=4, **how):
    for index in range(count):
        draw(root / f"{index}.png", **how)
    return root


def examples(builder, split):
    return list(builder.as_dataset(split=split).as_numpy_iterator())


def refusal(name, **how):
    """The message of the error, which must be one line."""
    with pytest.raises(GenzooError) as caught:
        prepare(str(name), **how)
    message = str(caught.value)
    assert "\n" not in message
    return message
