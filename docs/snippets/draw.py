"""Draws images with a VAE or a GAN of the zoo: needs onnxruntime, numpy and pillow, not genzoo.

python draw.py BUNDLE digits.png --label 7 --seed 7
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image

SIDE = 4  # images in a row and in a column


def draw(bundle: Path, count: int, seed: int, label: int) -> np.ndarray:
    """Draw images: uint8 `(count, height, width, channels)`."""
    gan = bundle / "generator.onnx"
    painter = onnxruntime.InferenceSession(gan if gan.is_file() else bundle / "decoder.onnx")
    latent = painter.get_inputs()[0].shape[1]
    z = np.random.RandomState(seed).standard_normal((count, latent)).astype(np.float32)
    feeds = {"z": z}
    if any(port.name == "labels" for port in painter.get_inputs()):
        feeds["labels"] = np.full(count, label, np.int64)
    if (bundle / "prior.onnx").is_file():  # a VAE with labels has a prior for each
        prior = onnxruntime.InferenceSession(bundle / "prior.onnx")
        mean, log_variance = prior.run(["mean", "log_variance"], {"labels": feeds["labels"]})
        feeds["z"] = mean + np.exp(log_variance / 2) * z
    (image,) = painter.run(["image"], feeds)
    return np.rint(image.clip(0, 1) * 255).astype(np.uint8)


def main() -> None:
    """Write a square of images."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bundle", type=Path)
    parser.add_argument("out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--label", type=int, default=0)
    options = parser.parse_args()
    images = draw(options.bundle, SIDE * SIDE, options.seed, options.label)
    _, height, width, channels = images.shape
    rows = images.reshape(SIDE, SIDE, height, width, channels).swapaxes(1, 2)
    sheet = rows.reshape(SIDE * height, SIDE * width, channels)
    Image.fromarray(sheet[..., 0] if channels == 1 else sheet).save(options.out)


if __name__ == "__main__":
    main()
