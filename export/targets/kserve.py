"""A bundle as an InferenceService of KServe: an image of `genzoo serve`, and its manifest."""

import re
from importlib.resources import files
from pathlib import Path
from string import Template

from export.bundling.staging import Kind, replacing_directory
from export.targets.bundled import Bundled
from serving.errors import UsageError
from serving.version import version

SERVICE = Kind("an InferenceService", ("inferenceservice.yaml", "Dockerfile"))
PORT = 8080  # where KServe looks unless it is told
LEAST = 512  # MiB of memory, for Python, ONNX Runtime, and requests
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._/:@-]{0,254}", re.ASCII)


def write_kserve(bundled: Bundled, out: Path, image: str | None = None) -> str:
    """Write the folder of an InferenceService, and return the name of its image.

    It holds a Dockerfile, the bundle that goes into the image, and `inferenceservice.yaml`.

    Args:
        bundled: the bundle.
        out: the folder; an older one is replaced.
        image: what the image is called; `genzoo-NAME:HASH` if none.

    Raises:
        ExportError: something else is at `out`.
    """
    name = bundled.manifest.name
    # As hosts are called, which begin with a letter.
    service = (name if name[0].isalpha() else f"model-{name}")[:63].rstrip("-")
    image = image or f"genzoo-{service}:{bundled.hash[:12]}"
    if not _IMAGE.fullmatch(image):
        raise UsageError(f"'{image:.80}' is no name of an image; expected REGISTRY/NAME:TAG")
    size = sum(bundled.manifest.files[each].bytes for each in bundled.needed) / 2**20
    words = {
        "service": service,
        "image": image,
        "name": name,
        "hash": bundled.hash,
        "port": str(PORT),
        "version": version(),
        "memory": f"{LEAST + 2 * int(size)}Mi",  # weights, and what they are unpacked to
    }
    with replacing_directory(out, SERVICE) as folder:
        bundled.copy(bundled.needed, folder / "bundle")
        for file in SERVICE.marks:
            text = (files(__package__) / "templates" / file).read_text(encoding="utf-8")
            (folder / file).write_text(Template(text).substitute(words), encoding="utf-8")
    return image
