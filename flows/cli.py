"""The `tuneline` command: the verbs of all `*_cli.py`, and errors in one sentence."""

import logging
import os
import sys
import warnings

import typer

from flows.ab_cli import app as ab_app
from flows.ledger_cli import app as ledger_app
from flows.looking_cli import app as looking_app
from flows.metrics_cli import app as metrics_app
from flows.models_cli import app as models_app
from flows.operations_cli import app as operations_app
from flows.release_cli import app as release_app
from flows.retraining_cli import app as retraining_app
from flows.servers_cli import app as servers_app
from flows.shell import known

app = typer.Typer(
    help="Retrain, measure, release and roll back domain language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(retraining_app)
app.add_typer(models_app)
app.add_typer(operations_app)
app.add_typer(release_app)
app.add_typer(looking_app)
app.add_typer(ab_app, name="ab")
app.add_typer(ledger_app)
app.add_typer(servers_app, name="servers")
app.add_typer(metrics_app, name="metrics")


def main() -> None:
    """Run the command; an error that a user can act on is one sentence and exit code 1."""
    _set_up_terminal()
    try:
        app()
    except Exception as error:
        if (sentence := known(error)) is None:
            raise
        typer.echo(f"error: {sentence}", err=True)
        sys.exit(1)


def _set_up_terminal() -> None:
    """Show our own warnings as one line each; Prefect keeps its full log for the run page."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    # without a server Prefect starts one of its own, which takes longer than its 20 s on a busy CPU
    os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120")
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger("tuneline").addHandler(handler)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


if __name__ == "__main__":
    main()
