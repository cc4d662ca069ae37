"""A session whose device is not where arrays lie, as with CUDA, on the CPU."""

import onnxruntime

from serving.runtime.session import Session


class Elsewhere(Session):
    """What is bound is copied to the device at each run, and results are copied back."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.copies = True

    def hold(self, array):
        return super().hold(array if isinstance(array, onnxruntime.OrtValue) else array.copy())
