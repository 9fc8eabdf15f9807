"""The page itself: Flask hands out one HTML file and three answers in JSON, to this machine only."""

from __future__ import annotations

import socket
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

import flask
from werkzeug.serving import WSGIRequestHandler, make_server

from statmech_cl import ConvergenceError, anchors
from statmech_cl.problem import PRIORS

from . import shown
from .state import SLIDERS, State

ADDRESS = "127.0.0.1"
_ANSWERS: dict[str, Callable[[State], dict[str, Any]]] = {
    "solutions": shown.solutions,
    "forgetting": shown.forgetting,
    "branches": shown.branches,
}


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def application() -> flask.Flask:
    """The page at / and its answers at /solutions, /forgetting and /branches; the query holds the state.

    A bad query is status 400 and one line that says what is allowed. Requests under another name than this machine's
    own are refused: no page from elsewhere can read the answers.
    """
    app = flask.Flask(__name__, static_folder=None, template_folder=".")
    app.config["TRUSTED_HOSTS"] = [ADDRESS, "localhost"]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    one_at_a_time = threading.Lock()  # the style of pictures is global, and so are the engine's cores

    @app.get("/")
    def page() -> tuple[str, int]:
        error = ""
        try:
            state = _state()
        except ValueError as refused:
            state, error = State(), str(refused)
        choices = {"prior": PRIORS, "anchor": anchors.names()}
        text = flask.render_template("page.html", state=state, error=error, sliders=SLIDERS, choices=choices)
        return text, 400 if error else 200

    @app.get("/<any(solutions, forgetting, branches):name>")
    def answer(name: str) -> tuple[dict[str, Any], int]:
        try:
            state = _state()
            with one_at_a_time:
                return _ANSWERS[name](state), 200
        except ValueError as refused:
            return {"error": str(refused)}, 400
        except ConvergenceError as failed:
            return {"error": str(failed)}, 422

    return app


def _state() -> State:
    return State.read(flask.request.args.to_dict(flat=False))


def serve(port: int, *, browser: bool, on_start: Callable[[str], None]) -> None:
    """Answer on 127.0.0.1 until Ctrl-C; port 0 takes any free one.

    on_start : is given the page's address once it answers.

    Raises
    ------
    ValueError : the port is taken or not allowed.
    """
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((ADDRESS, port))
        except OSError as error:
            raise ValueError(f"port must be a free one, 0 to find it, got {port}: {error.strerror}") from None
        listening.listen()
        at = f"http://{ADDRESS}:{listening.getsockname()[1]}/"
        options: dict[str, Any] = {"threaded": True, "request_handler": _Quiet, "fd": listening.fileno()}
        with make_server(ADDRESS, port, application(), **options) as server:
            on_start(at)
            if browser:
                webbrowser.open(at)
            server.serve_forever()
