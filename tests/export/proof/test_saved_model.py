"""A SavedModel is written and read wherever its folder lies."""

import os

import numpy as np
import pytest

from export.proof import saved_model
from tests.export.graph.toys import toy

ODD = [
    "a[b]c",
    "back\\slash",
    "sta*r?",
    "with blanks ",
    "new\nline",
    "\u00fc\u20ac",
    os.fsdecode(b"\xff"),
]


@pytest.mark.skipif(os.name != "posix", reason="other systems have no such names")
@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_folders_of_every_name(tmp_path, dense, name):
    spec = toy(lambda z: {"image": dense(z)})
    directory = tmp_path / name / "saved_model"
    directory.parent.mkdir()
    saved_model.write([spec], directory)
    inputs = spec.sample(3, 0)
    found = saved_model.load(directory)["decode"](inputs)["image"]
    np.testing.assert_allclose(found, spec.run(inputs)["image"], atol=1e-6)
    assert not directory.is_symlink() and len(list(directory.parent.iterdir())) == 1
