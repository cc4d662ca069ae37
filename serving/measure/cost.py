"""Measures what one variant of a bundle costs, in a process of its own.

`cost_of` starts `python -m serving.measure.cost`, which loads the variant, draws or writes with it,
and prints what that took; nothing else that was loaded before is counted.
"""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from serving.bundle.records import Cost, Speed
from serving.errors import GenzooError
from serving.measure.hardware import peak_memory, processor

BATCH, THREADS, DEVICE = 1, 1, "cpu"


def cost_of(directory: str | Path, variant: str, seconds: float = 1.0) -> Cost:
    """Measure a variant on one thread of the CPU, one image or text at a time.

    Args:
        directory: of the bundle.
        variant: one that the bundle has.
        seconds: how long the speed is measured for.

    Raises:
        GenzooError: the variant could not be loaded or run.

    Example:
        >>> from serving.hub import find
        >>> cost = cost_of(find("vae-mnist-dense").directory, "fp32", seconds=0.01)
        >>> cost.speed.unit, cost.load > 0
        ('images/s', True)
    """
    # No folder but those that this process imports from: not where the user happens to be.
    command = [sys.executable, "-P", "-m", __name__, str(directory), variant, str(seconds)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    begun = time.monotonic()  # one clock for all processes
    done = subprocess.run(
        [*command, str(begun)], env=environment, capture_output=True, text=True, check=False
    )
    try:
        return Cost.model_validate_json(done.stdout)
    except ValidationError:
        said = done.stderr.strip().splitlines() or [f"its process ended with {done.returncode}"]
        raise GenzooError(f"{variant} of {directory} was not measured: {said[-1]}") from None


def main(directory: str, variant: str, seconds: str, begun: str) -> None:
    """Measure a variant in this process, and print the cost as JSON."""
    from serving.loader import load
    from serving.measure.bench import measure

    model = load(directory, device=DEVICE, variant=variant, threads=THREADS)
    model.smallest()
    loaded = time.monotonic() - float(begun)
    (timing,) = measure(model, [BATCH], float(seconds), ["generate"])
    cost = Cost(
        load=loaded,
        memory=peak_memory(),
        speed=Speed(
            value=timing.per_second,
            unit=f"{timing.unit}/s",
            batch=BATCH,
            device=model.device,
            threads=model.threads,
        ),
        hardware=processor(),
        date=datetime.now(UTC).date().isoformat(),
    )
    print(cost.model_dump_json())


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except GenzooError as error:
        sys.exit(" ".join(str(error).split()))
