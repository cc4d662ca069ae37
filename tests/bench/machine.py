"""What the figures were measured on: the machine, the versions, how fast it reads memory."""

import datetime
import os
import platform
import subprocess
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import packages_distributions, version

import numpy as np

from serving.measure.hardware import PROCESSORS, processor
from serving.runtime.huge_pages import huge_pages
from tests.bench.turns import timed

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


def reader(size: int, threads: int) -> Callable[[], object]:
    """Return what reads so many bytes of memory and does nothing else.

    Each thread reads its own part of one array, which lies in huge pages as weights do. Of two ways
    to read the faster is taken: a product of the array with itself and its maximum, which do too
    little with a number to be held up by that.
    """
    with huge_pages():
        numbers = np.ones(size // 4 // threads * threads, np.float32)
    parts, pool = np.split(numbers, threads), ThreadPoolExecutor(threads)
    ways = {
        way: lambda way=way: list(pool.map(way, parts))
        for way in (lambda part: np.dot(part, part), np.max)
    }
    seconds = timed(ways, rounds=5)
    return ways[min(ways, key=lambda way: min(seconds[way]))]


def settle() -> None:
    """Let processes that begin from now have SETTINGS."""
    os.environ.update(SETTINGS)
