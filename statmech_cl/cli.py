"""The command statmech-cl: a group that loads each command when it is called.

Adding a command: a module in `statmech_cl/commands/` that defines `command`, and one line in COMMANDS.
Every failure is one line on stderr: exit status 2 for bad input, files and stores, 1 for a solve that did not
converge or a verdict that does not hold, 130 for Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import click

from ._version import __version__
from .solution import ConvergenceError, InstabilityError
from .store import StoreError
from .validation import check_choice

NAME = "statmech-cl"
COMMANDS = {
    "solve": "solve the mean-field equations of one task",
    "branches": "every solution along a parameter: folds, stability, transitions",
    "chain": "tasks one after another: what is learned, what is forgotten",
    "curves": "learning and forgetting curves of gradient descent, by theory",
    "phase-diagram": "lines in a plane of two parameters: folds, stability, transitions",
    "map": "forgetting and transfer of two tasks over a plane",
    "optimise": "the best anchors and replay of a chain",
    "explore": "a local page with sliders: branches, stability, forgetting",
    "simulate": "train or sample perceptrons of binary weights",
    "compare": "theory beside simulation: table, CSV, picture",
    "reproduce": "make a figure of the paper, with its data and verdict",
    "benchmark": "methods of continual learning side by side",
    "search": "settings of those methods, chosen on held-out training images",
    "sweep": "a grid of problems from a file, resumable, on all cores or a cluster",
    "data": "find and fetch the images that the deep networks learn",
}
# What is not installed by default: who needs it, and the extra that brings it.
_EXTRAS = {
    "torch": ("simulations", "simulations"),
    "arviz_stats": ("diagnostics of the sampler", "simulations"),
    "pandas": ("sweeps", "sweep"),
    "xarray": ("labelled arrays", "sweep"),
    "flask": ("pages in the browser", "explore"),
    "distributed": ("runs on a cluster", "dask"),
}
_COMPLETE = "_STATMECH_CL_COMPLETE"


class _LazyGroup(click.Group):
    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"{__package__}.commands.{name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if not arguments[0].startswith("-"):
            check_choice("command", arguments[0], tuple(COMMANDS))
        name, command, rest = super().resolve_command(context, arguments)
        if command is not None:
            _check_once(command, rest)
        return name, command, rest

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        # From the table above: help must not import every command.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _check_once(command: click.Command, arguments: Sequence[str]) -> None:
    """A ValueError where an option that holds one value is given twice: the parser would keep the last in silence."""
    for option in command.params:
        if isinstance(option, click.Option) and not option.multiple and not option.is_flag:
            count = sum(argument.partition("=")[0] in option.opts for argument in arguments)
            if count > 1:
                name = max(option.opts, key=len).lstrip("-").replace("-", "_")
                raise ValueError(f"{name} must be given once, got it {count} times")


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=NAME, message="%(prog)s %(version)s")
def group() -> None:
    """Statistical mechanics of continual learning with binary weights.

    \b
    Example:
      statmech-cl solve --alpha 0.5 --beta 20
      statmech-cl reproduce fig2b

    \b
    Shell completion (bash; zsh and fish likewise):
      eval "$(_STATMECH_CL_COMPLETE=bash_source statmech-cl)"
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    instruction = os.environ.get(_COMPLETE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(group, {}, NAME, _COMPLETE, instruction)
    if sys.stdout is None:  # what Python makes of a closed one
        return _fail("standard output is closed; open it, or send it to /dev/null", 2)
    showing, warnings.showwarning = warnings.showwarning, _warner()
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        with group.make_context(NAME, given or ["--help"]) as context:
            group.invoke(context)
        sys.stdout.flush()
        return 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except BrokenPipeError:
        # The reader of our pipe has left (`| head`): nothing more to say, and the interpreter must not try to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt as interruption:
        return _fail(str(interruption) or "interrupted", 130)
    except click.ClickException as error:
        return _fail(error.format_message(), 2)
    except (ConvergenceError, InstabilityError) as error:
        return _fail(str(error), 1)
    except (ValueError, StoreError, OSError) as error:
        return _fail(str(error), 2)
    except ModuleNotFoundError as error:
        needs = _EXTRAS.get(error.name or "")
        if needs is None:
            raise
        return _fail(f"{needs[0]} need {error.name}; install it with: pip install 'statmech-cl[{needs[1]}]'", 2)
    finally:
        warnings.showwarning = showing


def _warner() -> Callable[..., None]:
    """Shows a warning as one line, without the place in the source that Python adds; a second one that differs from it
    in its numbers alone is not shown."""
    shown = set()

    def warn(message: Warning | str, *_: Any, **__: Any) -> None:
        text = " ".join(str(message).split())
        kind = re.sub(r"[-+.\d]+(e[-+]?\d+)?", "", text)
        if kind not in shown:
            shown.add(kind)
            print(f"{NAME}: warning: {text}", file=sys.stderr)

    return warn


def _fail(message: str, status: int) -> int:
    print(f"{NAME}: error: {' '.join(message.split())}", file=sys.stderr)
    return status
