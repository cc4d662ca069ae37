"""Where a model trains: the strategy for what the user asked for."""

import re
from contextlib import suppress

import tensorflow as tf

from serving.errors import UsageError


def strategy(devices: str = "auto") -> tf.distribute.Strategy:
    """Return the distribution strategy for a device request.

    Args:
        devices: `auto` takes every GPU, or the CPU where there is none; `gpu:0,1` takes these
            GPUs; `cpu` takes the CPU; `cpu:2` splits the CPU into two logical devices, which
            trains as two GPUs would and is there to test distribution.

    Returns:
        A MirroredStrategy over two devices or more; for fewer, the strategy of one device.

    Raises:
        UsageError: the request is malformed, or asks for more than this machine has.
    """
    if not (match := re.fullmatch(r"auto|cpu(:[1-9]\d*)?|gpu(:\d+(,\d+)*)?", devices)):
        raise UsageError(f"devices is '{devices}'; expected auto, cpu, cpu:2, gpu or gpu:0,1")
    gpus = [
        device.name.split("physical_device:")[-1]
        for device in tf.config.list_physical_devices("GPU")
    ]
    if devices.startswith("cpu"):
        with suppress(RuntimeError):  # too late to hide them: TensorFlow is in use already
            tf.config.set_visible_devices([], "GPU")
        names = _logical_cpus(int((match[1] or ":1")[1:]))
    elif devices == "auto":
        names = gpus
    else:
        wanted = (match[2] or "")[1:]
        names = [f"GPU:{index}" for index in wanted.split(",")] if wanted else gpus
        if len(set(names)) < len(names):
            raise UsageError(f"devices is '{devices}'; expected each GPU once")
        if not names or not set(names) <= set(gpus):
            raise UsageError(
                f"devices is '{devices}', and TensorFlow sees {len(gpus)} GPUs; use --devices cpu"
            )
    if len(names) > 1:
        # Named, since by default TensorFlow takes collective operations, which on logical CPUs can
        # pair the reductions of two devices wrongly and abort.
        on_cpu = names[0].startswith("CPU")
        reduction = tf.distribute.ReductionToOneDevice if on_cpu else tf.distribute.NcclAllReduce
        return tf.distribute.MirroredStrategy(names, cross_device_ops=reduction())
    return tf.distribute.OneDeviceStrategy(names[0]) if names else tf.distribute.get_strategy()


def _logical_cpus(count: int) -> list[str]:
    if count > 1:
        cpu = tf.config.list_physical_devices("CPU")[0]
        current = tf.config.get_logical_device_configuration(cpu) or [None]
        if len(current) != count:
            try:
                tf.config.set_logical_device_configuration(
                    cpu, [tf.config.LogicalDeviceConfiguration()] * count
                )
            except RuntimeError:
                raise UsageError(
                    f"the CPU cannot be split into {count} any more, since TensorFlow is in use "
                    "already; ask for the devices before anything else"
                ) from None
    return [f"CPU:{index}" for index in range(count)]
