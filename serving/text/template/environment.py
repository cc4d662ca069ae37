"""Jinja2 as chat templates know it, with nothing that reaches out of it or goes on for ever.

Jinja2's own sandbox keeps templates from Python. It does not keep them from taking all time and
memory: by loops in loops, by texts that double and double again, by lists that hold themselves
twice. So all that makes or compares something counts what it costs first. Real templates use little
of Jinja2, and what they never need is not there.

Reference:
    What `transformers` gives to chat templates: `transformers.utils.chat_template_utils`.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import wraps
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import LoopContext, Macro, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

from serving.text.template.budget import MOST_BITS, CostError, budget

_FILTERS = """
abs capitalize count d default dictsort first float indent int items join last length list lower map
max min reject rejectattr replace reverse round safe select selectattr sort string title trim unique
upper
"""
_OF_TEXTS = """
strip lstrip rstrip split rsplit splitlines startswith endswith lower upper title capitalize find
rfind index count isdigit isalpha isalnum isspace islower isupper partition rpartition removeprefix
removesuffix replace join
"""
_METHODS: dict[type, list[str]] = {
    str: _OF_TEXTS.split(),
    dict: ["get", "items", "keys", "values"],
    list: ["index", "count"],
    tuple: ["index", "count"],
}


class RefusalError(Exception):
    """What a template says where it refuses the messages that it is given."""


class ChatEnvironment(ImmutableSandboxedEnvironment):
    """Runs chat templates; use it inside `serving.text.template.budget.spending`.

    Example:
        >>> from serving.text.template.budget import Budget, spending
        >>> with spending(Budget()):
        ...     ChatEnvironment().compiled("{{ 'a' * n }}").render(n=3)
        'aaa'
    """

    intercepted_binops = frozenset(["+", "-", "*", "/", "//", "%", "**"])

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            optimized=False,
            finalize=_shown,
            extensions=[_Generation, loopcontrols],
        )
        self.filters = {name: _counted(self.filters[name], name) for name in _FILTERS.split()}
        self.filters |= {
            "tojson": _counted(_to_json, "tojson"),
            "each": _each,
            "looked": _looked,
            "made": _made,
            "joined": _joined,
        }
        self.tests = {name: _counted(test, name) for name, test in self.tests.items()}
        self.globals = {
            "range": self.globals["range"],  # a short one, of the sandbox
            "dict": _dictionary,
            "namespace": Namespace,
            "raise_exception": _raise,
            "strftime_now": _now,
        }

    def compiled(self, source: str) -> jinja2.Template:
        """Return a template that counts what it costs.

        Raises:
            jinja2.TemplateError, CostError, SecurityError: it is none, or does what it may not.
        """
        tree = _Counting().visit(self.parse(source))
        return jinja2.Template.from_code(self, self.compile(tree), self.make_globals(None))

    def unsafe_undefined(self, obj: Any, attribute: str) -> NoReturn:
        raise SecurityError(f"it reaches for {attribute!r} of a {type(obj).__name__}")

    def getitem(self, obj: Any, argument: Any) -> Any:
        budget().look(argument)
        return super().getitem(obj, argument)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        _check_operands(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Call what templates may call, and count what it takes and gives."""
        budget().look((args, kwargs))
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "?")
        own = isinstance(obj, Macro | Undefined) or obj in self.globals.values()
        if not own and not isinstance(owner, LoopContext | Extension):
            if name not in _METHODS.get(type(owner), []):
                raise SecurityError(f"it calls {name!r}, which templates may not")
            _check_growth(name, owner, args)
        return _made(super().call(context, obj, *args, **kwargs))


class _Generation(Extension):
    """`{% generation %}`: marks what an assistant says, for training; here it is as it stands."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _Counting(NodeTransformer):
    """Makes a template count what no other hook of Jinja2 sees."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802
        if node.recursive:
            raise SecurityError("it has a loop that calls itself")
        data = sum(len(each.data) for each in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        node.iter = _filter(node.iter, "each", nodes.Const(data))
        return node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _filter(node.expr, "looked")
        for operand in node.ops:
            operand.expr = _filter(operand.expr, "looked")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), "joined")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        return _filter(node, "made") if isinstance(node.arg, nodes.Slice) else node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.key = _filter(node.key, "looked")
        return node

    def _refuse(self, node: nodes.Node) -> NoReturn:
        raise SecurityError(f"it has {type(node).__name__.lower()}, and there are no other files")

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _refuse  # noqa: N815


def _filter(node: nodes.Node, name: str, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, [*arguments], [], None, None, lineno=node.lineno)


# --- what counts ---


def _counted(function: Any, name: str) -> Callable[..., Any]:
    """Return a filter or a test that counts what it is given and what it makes."""

    @wraps(function)  # and its marks, of what Jinja2 passes to it
    def counting(*args: Any, **kwargs: Any) -> Any:
        if name == "join":  # what is in it is not known before
            args = tuple([*each] if isinstance(each, Iterator) else each for each in args)
        given = args[1:] if hasattr(function, "jinja_pass_arg") else args
        budget().look((given, kwargs))
        if name in ("replace", "join", "indent", "tojson") and given:
            _check_growth(name, given[0], (*given[1:], *kwargs.values()))
        return _made(function(*args, **kwargs))

    return counting


def _check_growth(name: str, value: Any, arguments: tuple[Any, ...]) -> None:
    """Count what is made of a text before it is made."""
    size = budget().look(value)
    if name == "replace" and len(arguments) > 1:
        old, new = map(str, arguments[:2])
        size += (str(value).count(old) if old else size + 1) * len(new)
    elif name == "join":
        # Of the filter the value is the list, and of the method it is what goes between.
        first = next(iter(arguments), "")
        between, parts = (value, first) if isinstance(value, str) else (first, value)
        size = budget().look(parts) + budget().look(between) * _len(parts)
    elif name in ("indent", "tojson"):
        widths = [each if isinstance(each, int) else len(each) for each in arguments
                  if isinstance(each, int | str)]  # fmt: skip
        size *= 1 + max(widths, default=0)
    budget().make(size)


def _check_operands(operator: str, left: Any, right: Any) -> None:
    """Count what an operator makes before it is made."""
    for each in (left, right):
        budget().look(each)
    size = _size(left) + _size(right)
    bits = [each.bit_length() for each in (left, right) if isinstance(each, int)]
    if operator == "%" and isinstance(left, str):
        raise SecurityError("it fills in a text by %, which templates may not")
    if operator == "**" and (len(bits) < 2 or bits[0] * abs(right) > MOST_BITS):
        raise CostError("it takes a large power")
    if operator == "*" and len(bits) == 2 and sum(bits) > MOST_BITS:
        raise CostError("it makes a large number")
    if operator == "*" and len(bits) == 1:
        times, other = (left, right) if isinstance(left, int) else (right, left)
        size = max(0, times) * _size(other)
    budget().make(size)


def _size(value: Any) -> int:
    """Return what a text or a list weighs, without what the list holds."""
    return len(value) if isinstance(value, str) else 8 * _len(value)


def _len(value: Any) -> int:
    return len(value) if hasattr(value, "__len__") else 1


def _each(values: Iterable[Any], data: int) -> Iterator[Any]:
    """Count the turns of a loop, each of which writes some of the template's own text."""
    for value in values:
        budget().make(1 + data)
        yield value


def _looked(value: Any) -> Any:
    budget().look(value)
    return value


def _made(value: Any) -> Any:
    if isinstance(value, str | list | tuple | dict):
        budget().make(_size(value))
    return value


def _shown(value: Any) -> Any:
    budget().make(budget().look(value))
    return value


def _joined(values: list[Any]) -> str:
    budget().make(budget().look(values))
    return "".join(map(str, values))


# --- what templates have besides ---


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it is, where Jinja2's own is made for web pages."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _dictionary(*args: Any, **kwargs: Any) -> dict[Any, Any]:
    return dict(*args, **kwargs)


def _raise(message: Any) -> NoReturn:
    raise RefusalError(str(message))


def _now(form: str) -> str:
    if len(form) > 100 or any(letter.isdigit() for letter in form):
        raise CostError("it asks for the time in a form that is too long")
    return datetime.now().strftime(form)
