"""What a bundle is to this protocol: its graphs as they are, and what it can be asked for.

`NAME` is what the model generates, `NAME.CALL` whatever else it can be asked for, and `NAME.ROLE`
each of its graphs whose rows are computed by themselves: `vae-mnist`, `vae-mnist.reconstruct`,
`vae-mnist.decoder`.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from serving import registry
from serving.bundle.records import BundleError, Port
from serving.calls import Call
from serving.content.content import Cell, Content
from serving.errors import GenzooError
from serving.numbers import shown
from serving.parameters import Parameter
from serving.runtime.interruption import StoppedError
from serving.server.calls import made_of, seeded
from serving.server.errors import RequestError
from serving.server.exchange import Exchange
from serving.server.inference.tensors import DTYPES, NAMES, Inference, Spec
from serving.server.repository import Repository, Served
from serving.server.work.together import by_rows

VERSION = "1"
_DTYPES = {"int": "INT64", "float": "FP32"}
Results = tuple[dict[str, np.ndarray], dict[str, Any]]


class Inferable(ABC):
    """A model as this protocol knows it.

    Attributes:
        name: `NAME` or `NAME.PART`.
        served: the model that it is, or is a part of.
        platform: what runs it.
        inputs, outputs: what it takes and gives.
    """

    platform: str

    def __init__(self, name: str, served: Served) -> None:
        self.name, self.served = name, served
        self.inputs: list[Spec] = []
        self.outputs: list[Spec] = []

    @abstractmethod
    async def infer(self, exchange: Exchange, asked: Inference) -> Results:
        """Return the outputs by name, and what the answer says beside them."""

    def config(self, rows: int) -> dict[str, Any]:
        """Return its configuration as Triton words it; the first axis is that of the batch."""

        def ports(specs: list[Spec]) -> list[dict[str, Any]]:
            return [
                {"name": each.name, "data_type": f"TYPE_{each.datatype.replace('BYTES', 'STRING')}",
                 "dims": list(each.shape[1:]) or [1], "optional": each.optional}
                for each in specs
            ]  # fmt: skip

        return {
            "name": self.name,
            "platform": self.platform,
            "backend": self.platform.partition("_")[0],
            "max_batch_size": rows,
            "input": ports(self.inputs),
            "output": [{k: v for k, v in each.items() if k != "optional"}
                       for each in ports(self.outputs)],
        }  # fmt: skip


class Graph(Inferable):
    """A graph as it is: tensors in, tensors out.

    Attributes:
        role: of the graph.
    """

    platform = "onnxruntime_onnx"

    def __init__(self, name: str, served: Served, role: str) -> None:
        super().__init__(name, served)
        self.role = role
        interface = served.manifest.interface[role]
        self.inputs = [*map(_spec, interface.inputs)]
        self.outputs = [*map(_spec, interface.outputs)]

    async def infer(self, exchange: Exchange, asked: Inference) -> Results:
        for parameter in asked.parameters:
            raise RequestError(f"'{parameter:.80}' is no parameter of a graph; leave it out")
        counts = {len(each) for each in asked.tensors.values()}
        if len(counts) > 1:
            raise RequestError(f"inputs have {sorted(counts)} rows; expected as many of each")
        names = [each.name for each in asked.outputs or self.outputs]
        session = self.served.model.sessions[self.role]

        def work() -> list[np.ndarray]:
            try:
                found: list[np.ndarray] = session.run(names, asked.tensors)
                return found
            except (BundleError, RequestError, StoppedError):
                raise
            except GenzooError as error:
                raise RequestError(f"{self.name} does not run on these inputs: {error}") from None

        size = sum(_bytes(each) for each in self.outputs)  # all are computed
        results = await exchange.compute(self.served, max(counts), work, size)
        return dict(zip(names, results, strict=True)), {}


class Pipeline(Inferable):
    """A call: content and numbers in, content out, all else as parameters of the request.

    Attributes:
        call: of the model.
        content: that it gives.
    """

    platform = "genzoo_pipeline"

    def __init__(self, name: str, served: Served, call: Call) -> None:
        super().__init__(name, served)
        self.call = call
        self.content: Content = registry.content(call.gives)
        processing = served.manifest.processing
        cell = self.content.cell(processing, given=False)
        assert cell is not None
        self._cell = cell
        self._kinds: dict[str, Content] = {}
        for each in call.parameters.values():
            self.inputs += self._input(each, processing)
        # Rows of rows where two things say how many there are, unless a cell is itself a row.
        several = [each for each in call.parameters.values() if each.multiplies == "rows"]
        takes = any(each.content for each in call.parameters.values())
        free = 2 if len(several) + takes > 1 and cell.shape and cell.shape[0] > 0 else 1
        self.outputs = [Spec(call.gives, NAMES[cell.dtype], (-1,) * free + cell.shape)]

    def _input(self, parameter: Parameter, processing: Mapping[str, Any]) -> list[Spec]:
        optional = not parameter.required
        if parameter.content:
            content: Content = registry.content(parameter.content)
            cell = content.cell(processing, given=True)
            if cell is None:
                return []
            self._kinds[parameter.name] = content
            return [Spec(parameter.name, NAMES[cell.dtype], (-1, *cell.shape), optional)]
        if parameter.each and parameter.kind in _DTYPES:
            return [Spec(parameter.name, _DTYPES[parameter.kind], (-1,), optional)]
        return []

    async def infer(self, exchange: Exchange, asked: Inference) -> Results:
        arguments = self.arguments(asked)
        arguments, seed = seeded(self.call, arguments)
        made = await made_of(exchange, self.served, self.call, arguments,
                             self.content.to_tensor, self._cell.bytes)  # fmt: skip
        told = {} if seed is None else {"seed": seed if isinstance(seed, int) else str(seed)}
        return {self.call.gives: made}, told

    def arguments(self, asked: Inference) -> dict[str, Any]:
        """Return the arguments of the call that a request stands for.

        Raises:
            RequestError: it stands for none.
        """
        wanted = {each.name for each in asked.outputs} - {self.call.gives}
        if wanted:
            raise RequestError(f"there is no output {shown(min(wanted))}; expected "
                               f"{self.call.gives}")  # fmt: skip
        arguments = dict(asked.parameters)
        for name in self._kinds.keys() & arguments.keys():
            raise RequestError(f"'{name}' is content; give it as an input", param=name)
        for name, array in asked.tensors.items():
            if name in arguments:
                raise RequestError(f"'{name}' is both an input and a parameter", param=name)
            arguments[name] = self._value(name, array)
        self._count(arguments, asked)
        return arguments

    def _value(self, name: str, array: np.ndarray) -> Any:
        content = self._kinds.get(name)
        if content is None:
            return array
        value = content.from_tensor(array)
        if isinstance(value, list) and not self.call.parameters[name].each:
            if len(value) != 1:
                raise RequestError(f"'{name}' is {len(value)}; expected one", param=name)
            return value[0]
        return value

    def _count(self, arguments: dict[str, Any], asked: Inference) -> None:
        """Make as many as there are labels, where nothing else says how many."""
        parameter = self.call.parameters.get("n")
        if parameter is None or "n" in arguments or self._kinds or not asked.tensors:
            return
        arguments["n"] = max(map(len, asked.tensors.values()))


def inferable(repository: Repository) -> dict[str, Inferable]:
    """Return what this protocol knows of the models of a server, by name."""
    return {each.name: each for served in repository for each in parts(served)}


def parts(served: Served) -> Iterator[Inferable]:
    """Yield what this protocol knows of a model."""
    roles = [role for role, each in served.manifest.interface.items() if by_rows(each)]
    # Filters look at what calls are given and give; what graphs do, they cannot tell.
    for role in () if served.filtered else roles:
        yield Graph(f"{served.name}.{role}", served, role)
    for index, call in enumerate(served.calls.values()):
        content: Content = registry.content(call.gives)
        if content.cell(served.manifest.processing, given=False) is None:
            continue  # numbers by name have no one tensor; /v1/calls gives them
        if not index:
            yield Pipeline(served.name, served, call)
        elif call.name not in roles:
            yield Pipeline(f"{served.name}.{call.name}", served, call)


def _bytes(spec: Spec) -> int:
    return Cell(DTYPES[spec.datatype], spec.shape).bytes


def _spec(port: Port) -> Spec:
    shape = tuple(size if isinstance(size, int) else -1 for size in port.axes)
    return Spec(port.name, NAMES[port.dtype], shape)
