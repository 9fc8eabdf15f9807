"""statmech-cl data: the images that the deep networks learn."""

from __future__ import annotations

from pathlib import Path

import click

from .options import Choice

NAMES = ("mnist", "fashion-mnist")


@click.group("data", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Find and fetch the images that the deep networks learn.

    Looked for in --data-dir, then $STATMECH_CL_DATA, then the user's cache; without any of them the embedded subset of
    10,000 training and 2,000 test images serves.

    \b
    Example:
      statmech-cl data list
      statmech-cl data fetch mnist
    """
    if context.invoked_subcommand is None:
        raise ValueError("command must be one of list, fetch, got none")


@command.command("list")
@click.option("--data-dir", type=click.Path(path_type=Path), help="Folder that holds mnist/ or fashion-mnist/.")
def list_(data_dir: Path | None) -> None:
    """Show which files each dataset would be read from; their content is checked."""
    from statmech_cl.simulations.deep import datasets

    for name in NAMES:
        click.echo(str(datasets.load(name, data_dir)))
    click.echo(f"cache: {datasets.cache_folder()}")


@command.command("fetch")
@click.argument("name", type=Choice(NAMES))
@click.option("--data-dir", type=click.Path(path_type=Path), help="Where to put it; default: the user's cache.")
@click.option("--mirror", "mirrors", multiple=True, help="Base URL to fetch from instead of the public mirrors.")
def fetch(name: str, data_dir: Path | None, mirrors: tuple[str, ...]) -> None:
    """Download dataset NAME (mnist or fashion-mnist) from a public mirror and check its content.

    \b
    Example:
      statmech-cl data fetch fashion-mnist
      statmech-cl data fetch mnist --data-dir images --mirror https://example.org/mnist/
    """
    from statmech_cl.simulations.deep import datasets

    folder = datasets.fetch(name, data_dir, mirrors=mirrors or None, report=click.echo)
    click.echo(f"{name} is in {folder}")
