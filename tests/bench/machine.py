"""What the figures were measured on: the machine, the versions, the bandwidth of its memory."""

import datetime
import os
import platform
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import packages_distributions, version

import numpy as np

from serving.huge_pages import huge_pages
from zoo.hardware import PROCESSORS, processor

READ_BYTES = 2**29  # far more than any cache holds
# NumPy's products stay in the thread that asks for them, and ONNX Runtime does not call home.
SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}


def described(modules: Iterable[str], device: str = "cpu") -> dict[str, object]:
    """Return the line of the machine, the day, and the version of each module that is here."""
    homes = packages_distributions()
    return {
        "machine": ", ".join(
            [
                *([graphics()] if device == "cuda" else []),
                f"{processor()} ({vectors()})",
                f"Python {platform.python_version()}",
                platform.system(),
            ]
        ),
        "date": datetime.date.today().isoformat(),
        "versions": {name: version(homes[name][0]) for name in sorted(modules) if name in homes},
    }


def graphics() -> str:
    """Return the name of the GPU and the version of its driver, as the driver gives them."""
    asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    name, driver = subprocess.check_output(asked, text=True).splitlines()[0].split(", ")
    return f"{name} (driver {driver})"


def vectors() -> str:
    """Return the widest vectors that the processor computes with, or what it is called."""
    facts = PROCESSORS.read_text(encoding="utf-8").split() if PROCESSORS.is_file() else []
    return next((name for name in ("avx512f", "avx2") if name in facts), platform.machine())


def bandwidth(threads: int, rounds: int = 5) -> float:
    """Return how many bytes of memory a second so many threads can read, by reading.

    Each thread reads its own part of one array, which lies in huge pages as weights do. The best of
    two readers counts: a product of the array with itself and its maximum, which do too little with
    a number to be held up by that.
    """
    with huge_pages():
        numbers = np.ones(READ_BYTES // 4 // threads * threads, np.float32)
    parts = np.split(numbers, threads)
    bytes_read, rates = sum(part.nbytes for part in parts), []
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(rounds):
            for read in (lambda part: np.dot(part, part), np.max):
                start = time.perf_counter()
                list(pool.map(read, parts))
                rates.append(bytes_read / (time.perf_counter() - start))
    return max(rates)


def settle() -> None:
    """Let processes that begin from now have SETTINGS."""
    os.environ.update(SETTINGS)
