"""The decoders that the benchmark compares are the same networks."""

import numpy as np
import pytest

from zoo.vae import VAE, VAEConfig

torch = pytest.importorskip("torch")
SIZES = {"image_shape": (8, 12, 3), "channels": (4, 6), "hidden": (5, 7), "latent_dim": 3}


@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
@pytest.mark.parametrize("classes", [0, 3])
def test_both_decoders_draw_the_same_images(architecture, classes):
    from tests.bench.peers.torch_vae import TorchDecoder

    config = VAEConfig(architecture=architecture, classes=classes, activation="relu", **SIZES)
    ours, theirs = VAE(config), TorchDecoder(config)
    random = np.random.RandomState(0)
    for variable in ours.decoder.variables:
        variable.assign(random.normal(0, 0.3, variable.shape))
    theirs.take(ours.decoder)
    z = random.standard_normal((3, 3)).astype("float32")
    labels = [np.arange(3)] if classes else []
    with torch.inference_mode():
        image = theirs.paint(*map(torch.from_numpy, [z, *labels]))
    np.testing.assert_allclose(ours.decode(z, *labels), image, atol=1e-5)
