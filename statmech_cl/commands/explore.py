"""statmech-cl explore: a local page with sliders."""

from __future__ import annotations

import click

from ..validation import check_number
from .options import Count


@click.command("explore")
@click.option("--port", type=Count(low=0), default=8137, show_default=True, help="Where it answers; 0: any free one.")
@click.option("--no-browser", is_flag=True, help="Print the address and open nothing.")
def command(port: int, no_browser: bool) -> None:
    """A page with sliders for a chain of tasks: branches, order parameters, stability, forgetting matrix.

    The page answers on this machine only, until Ctrl-C. It shows the command and the Python for what it shows; its
    address holds what the sliders hold. Needs the extra `explore`.

    \b
    Example:
      statmech-cl explore
      statmech-cl explore --port 0 --no-browser
    """
    check_number("port", port, low=0, high=65535)
    from statmech_cl.explore.page import serve

    try:
        serve(port, browser=not no_browser, on_start=lambda at: click.echo(f"{at} (Ctrl-C ends it)"))
    except KeyboardInterrupt:
        click.echo("ended")
