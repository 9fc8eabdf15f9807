"""Option types that the commands share. They refuse bad input with the same text as Python does."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from ..channels import PLAIN, Channel
from ..trees import ACTIVATIONS, MOST_LAYERS, Tree
from ..validation import LARGEST, check_choice, check_count, check_number

MAX_POINTS = 100_000


class Number(click.ParamType):
    """A finite float in [low, high]; the bounds as in `check_number`."""

    name = "number"

    def __init__(self, **bounds: Any) -> None:
        self.bounds = bounds

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> float:
        """The number, or a ValueError that names the option."""
        try:
            number: object = float(value)
        except ValueError:
            number = value
        return check_number(_name(parameter), number, **self.bounds)


class Count(click.ParamType):
    """A whole number in [low, high]."""

    name = "count"

    def __init__(self, low: int = 1, high: int = LARGEST) -> None:
        self.low, self.high = low, high

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """The whole number, or a ValueError that names the option."""
        try:
            count: object = int(value)
        except ValueError:
            count = value
        return check_count(_name(parameter), count, low=self.low, high=self.high)


class Steps(click.ParamType):
    """A number of steps of replica symmetry breaking, or `converged`."""

    name = "count|converged"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int | str:
        """The number or the word, or a ValueError that names the option."""
        if value == "converged":
            return "converged"
        try:
            count: object = int(value)
        except ValueError:
            raise ValueError(f"{_name(parameter)} must be a whole number >= 0 or converged, got {value!r}") from None
        return check_count(_name(parameter), count, low=0)


class Choice(click.Choice[str]):
    """One of `choices`; an unknown one is refused with the nearest known one."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> str:
        """The choice, or a ValueError that names the option."""
        return check_choice(_name(parameter), value, tuple(self.choices))


class Numbers(click.ParamType):
    """A number `0.5`, a list `0.5,1,2` or a range `start:stop:step` that includes stop when it lies on the grid."""

    name = "number|list|range"

    def __init__(self, **bounds: Any) -> None:
        self.bounds = bounds

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[float, ...]:
        """The numbers, or a ValueError that names the option."""
        if isinstance(value, tuple):
            return value
        name = _name(parameter)
        return tuple(check_number(name, number, **self.bounds) for number in parse_numbers(name, str(value)))


class Axis(click.ParamType):
    """A parameter and its span, `alpha=0.2:3`."""

    name = "name=low:high"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[str, float, float]:
        """Name, low, high; or a ValueError that names the option."""
        if isinstance(value, tuple):
            return value
        which = parameter.name if parameter is not None and parameter.name else "value"
        name, _, span = str(value).partition("=")
        try:
            low, high = (check_number(which, float(part)) for part in span.split(":"))
        except ValueError:
            raise ValueError(f"{which} must be a parameter and its span such as alpha=0.2:3, got {value!r}") from None
        return name.strip().replace("-", "_"), low, high


class Replay(click.ParamType):
    """Patterns of earlier tasks, `1=0.5` or `1=0.5,2=0.25`: 0.5 N of task 1 and 0.25 N of task 2; or `none`."""

    name = "task=alpha"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[tuple[int, float], ...]:
        """Pairs (task, patterns per weight), or a ValueError that names the option."""
        if isinstance(value, tuple) or value == "none":
            return () if value == "none" else value
        name = _name(parameter)
        pairs = []
        for part in str(value).split(","):
            task, _, amount = part.partition("=")
            try:
                pairs.append((int(task), float(amount)))
            except ValueError:
                told = "must be task=alpha such as 1=0.5, 1=0.5,2=0.25 or none"
                raise ValueError(f"{name} {told}, got {value!r}") from None
        if len(dict(pairs)) < len(pairs):
            raise ValueError(f"{name} must name each task once, got {value!r}")
        return tuple(pairs)


def parse_numbers(name: str, text: str) -> list[float]:
    """The numbers of `0.5`, `0.5,1,2` or `0.1:2:0.1` (decimal arithmetic: 0.3, not 0.30000000000000004).

    Raises
    ------
    ValueError : not such a text, an empty or reversed range, a step that is not positive, too many points.
    """
    form = f"{name} must be a number, a list a,b,c or a range start:stop:step, got {text!r}"
    if ":" not in text:
        return [float(_decimal(part, form)) for part in text.split(",")]
    parts = text.split(":")
    if len(parts) != 3:
        raise ValueError(form)
    start, stop, step = (_decimal(part, form) for part in parts)
    if not all(number.is_finite() for number in (start, stop, step)):
        raise ValueError(form + ": a range must be finite")
    if step <= 0:
        raise ValueError(f"{name} must have a step > 0 in its range, got {text!r}")
    if stop < start:
        raise ValueError(f"{name} must have start <= stop in its range, got {text!r}")
    if (stop - start) / step >= MAX_POINTS:
        raise ValueError(f"{name} must have at most {MAX_POINTS} points in its range, got {text!r}")
    return [float(start + index * step) for index in range(math.floor((stop - start) / step) + 1)]


def _decimal(text: str, form: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(form) from None


def _name(parameter: click.Parameter | None) -> str:
    """What the user calls it: --with is with, whatever the function's argument is called."""
    if parameter is None or parameter.name is None:
        return "value"
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len).lstrip("-").replace("-", "_")
    return parameter.name


def network_options(command: Any) -> Any:
    """`--hidden-layers` and `--activation`, to be read by `network`."""
    activation = click.option(
        "--activation", type=Choice(ACTIVATIONS), help="Of the hidden units; default sign. Needs --hidden-layers."
    )
    told = "Layers of a tree; default 0, the perceptron."
    layers = click.option("--hidden-layers", type=Count(low=0, high=MOST_LAYERS), help=told)
    return layers(activation(command))


def network(hidden_layers: int | None, activation: str | None) -> Channel:
    """The network that the two options describe.

    Raises
    ------
    ValueError : an activation without a hidden layer, an unknown one, a negative number of layers.
    """
    if hidden_layers is None and activation is None:
        return PLAIN
    return Tree(hidden_layers=hidden_layers or 0, activation=activation)


def read_network(content: dict[str, Any]) -> Channel:
    """The network that `hidden_layers` and `activation` of a file describe; they are taken out of `content`."""
    return network(content.pop("hidden_layers", None), content.pop("activation", None))


def read_law(content: dict[str, Any]) -> None:
    """The `law` of a file, {"+-" = 0.25, ...}, becomes one of signs of the later teachers."""
    if "law" in content:
        given = content["law"]
        if not isinstance(given, dict) or any(set(key) - set("+-") for key in given):
            raise ValueError(f'law must be a table of sign patterns like "+-" = 0.25, got {given!r}')
        content["law"] = {tuple(1 if sign == "+" else -1 for sign in key): weight for key, weight in given.items()}


def quiet_option() -> Callable[[Any], Any]:
    """`--quiet`."""
    return click.option("--quiet", is_flag=True, help="No progress bar.")
