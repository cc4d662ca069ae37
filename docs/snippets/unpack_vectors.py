"""Unpacks the test vectors of a bundle for languages that read no npz: needs numpy alone.

python unpack_vectors.py BUNDLE vectors

Each array becomes a file of raw little-endian values; `vectors.json` says its type and shape, as
`{"decoder": {"inputs": {"z": {"file": "decoder.inputs.z.bin", "type": "float32", ...}}, ...}}`.
"""

import json
import sys
from pathlib import Path

import numpy as np


def unpack(bundle: Path, folder: Path) -> None:
    """Write every array of a bundle's `test_vectors.npz` and what it is."""
    folder.mkdir(parents=True, exist_ok=True)
    contents: dict[str, dict[str, dict]] = {}
    with np.load(bundle / "test_vectors.npz", allow_pickle=False) as arrays:
        for key, array in arrays.items():
            role, kind, port = key.split(".", 2)
            entry = {"file": f"{key}.bin", "type": array.dtype.name, "shape": array.shape}
            contents.setdefault(role, {}).setdefault(kind, {})[port] = entry
            little = array.astype(array.dtype.newbyteorder("<"))
            (folder / entry["file"]).write_bytes(little.tobytes())
    (folder / "vectors.json").write_text(json.dumps(contents, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python unpack_vectors.py BUNDLE FOLDER")
    unpack(Path(sys.argv[1]), Path(sys.argv[2]))
