"""What machine this is, and how much memory this process took. Needs no TensorFlow."""

import os
import platform
import sys
from pathlib import Path

PROCESSORS = Path("/proc/cpuinfo")
PROCESS = Path("/proc/self/status")


def processor() -> str:
    """Return the processor and its number of cores.

    Example:
        >>> "cores of" in processor()
        True
    """
    lines = PROCESSORS.read_text().splitlines() if PROCESSORS.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {models[0] if models else platform.processor()}"


def peak_memory() -> int | None:
    """Return the most bytes that this process had in memory so far; None where nobody counts.

    Example:
        >>> peak_memory() > 2**20
        True
    """
    # Linux hands the resource usage of a process on to what is executed in its place, so that a
    # small child of a large process is counted as large; what its memory itself was is here.
    lines = PROCESS.read_text().splitlines() if PROCESS.is_file() else []
    for line in lines:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    try:
        import resource
    except ModuleNotFoundError:  # on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
