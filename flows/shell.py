"""What the command line's verbs share: arguments, settings, console, registry, Prefect server."""

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rich.console import Console

    from tuneline.errors import TunelineError
    from tuneline.registry import Registry

PREFECT_TIMEOUT_S = 10.0
PIPE_WIDTH = 110
"""Columns of tables where the output is no terminal."""

Domain = Annotated[str, typer.Argument(help="Domain, such as lawyer.")]
ProfileName = Annotated[str, typer.Argument(help="A file of profiles/ without its ending.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as training.epochs."),
]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def console() -> "Console":
    """Of the terminal, or one that is as wide as tables need."""
    from rich.console import Console

    found = Console()
    return found if found.is_terminal else Console(width=PIPE_WIDTH)


def registry() -> "Registry":
    """Of the MLflow that the environment names."""
    from tuneline.registry import Registry
    from tuneline.tracking import tracking_uri

    return Registry(tracking_uri())


def has_prefect_server() -> bool:
    """Whether a Prefect server is configured, or the local one runs."""
    from prefect.settings import PREFECT_API_URL

    from flows import servers

    return bool(PREFECT_API_URL.value()) or servers.PREFECT.is_ready()


def prefect_server() -> "AbstractContextManager[Any]":
    """Use the configured Prefect server, else the local one if it runs, else none.

    Raises:
        TunelineError: One is configured and does not answer.
    """
    from prefect.settings import PREFECT_API_URL, temporary_settings

    from flows import servers

    check_prefect()
    if PREFECT_API_URL.value() or not servers.PREFECT.is_ready():
        return nullcontext()
    return temporary_settings({PREFECT_API_URL: f"{servers.PREFECT.url}/api"})


def check_prefect() -> None:
    """Fail within seconds where the configured Prefect server does not answer.

    Raises:
        TunelineError: Names its address, and the ways out.
    """
    import httpx
    from prefect.settings import PREFECT_API_URL

    from tuneline.errors import TunelineError

    if not (url := PREFECT_API_URL.value()):
        return
    try:
        httpx.get(f"{url}/health", timeout=PREFECT_TIMEOUT_S)
    except httpx.HTTPError as error:
        raise TunelineError(
            f"no Prefect server answers at {url} ({error}); start it and run again, which takes up "
            "what is done, or unset PREFECT_API_URL to run without one"
        ) from error


def known(error: Exception) -> "TunelineError | None":
    """What a user can do about an error; None where nobody knows."""
    from tuneline.errors import TunelineError
    from tuneline.tracking import diagnosis, tracking_uri

    if isinstance(error, TunelineError):
        return error
    if _is_of_prefect(error):
        try:
            check_prefect()
        except TunelineError as gone:
            return gone
    return diagnosis(error, tracking_uri())


def _is_of_prefect(error: Exception) -> bool:
    """Whether a Prefect server that does not answer could be the reason."""
    import httpx
    from prefect.exceptions import PrefectException

    is_told = str(error).startswith("Failed to reach API")  # a bare RuntimeError of its client
    return is_told or isinstance(error, httpx.TransportError | PrefectException)


def overrides_of(settings: list[str] | None) -> dict[str, Any]:
    """What `--set` asks for: setting -> value."""
    from tuneline.profile import parse_override

    return dict(parse_override(text) for text in settings or [])
