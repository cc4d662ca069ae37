"""A call of a bundle of genzoo, as a model of Triton's Python backend.

It needs `pip install 'genzoo[server]'` in the Python that Triton runs, and Triton 25.02 or newer.
The bundle lies beside this file; which call it is says the configuration.
"""

import json
from pathlib import Path

import triton_python_backend_utils as pb_utils

from serving.errors import GenzooError
from serving.server.inference.alone import Alone


class TritonPythonModel:
    """Answers as `genzoo serve` does: content as tensors, all else as parameters of the request."""

    def initialize(self, args):
        """Load the model, and make its first result."""
        written = json.loads(args["model_config"])["parameters"]
        settings = {name: value["string_value"] for name, value in written.items()}
        device = "auto" if args["model_instance_kind"] == "GPU" else "cpu"
        bundle = Path(__file__).parent / "bundle"
        self._call = Alone(bundle, settings["call"], variant=settings["variant"], device=device)

    def execute(self, requests):
        """Answer requests, each by itself."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        refused = pb_utils.TritonError
        if request.is_cancelled():
            return _failed("the request was cancelled", refused.CANCELLED)
        tensors = {each.name(): each.as_numpy() for each in request.inputs()}
        try:
            made, told = self._call(tensors, json.loads(request.parameters() or "{}"))
        except GenzooError as error:
            return _failed(" ".join(str(error).split()), refused.INVALID_ARG)
        outputs = [pb_utils.Tensor(name, array) for name, array in made.items()]
        return pb_utils.InferenceResponse(outputs, parameters=told)


def _failed(message, code):
    return pb_utils.InferenceResponse(error=pb_utils.TritonError(message, code))
