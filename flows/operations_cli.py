"""Verbs that look after the machine and its servers: set-up, signal, clean-up, ui."""

from typing import Annotated, Literal

import typer

from flows import shell
from flows.shell import Domain

app = typer.Typer()


@app.command()
def set_up(
    gpus: Annotated[int, typer.Option(min=1, help="GPUs of all workers of the pool gpu.")] = 1,
) -> None:
    """Make work pools, queues and the reaper of dead runs on the Prefect server; run it again."""
    from flows.setting_up import set_up as run

    with shell.prefect_server():
        for line in run(gpus):
            typer.echo(line)


@app.command()
def signal(
    domain: Domain,
    kind: Annotated[
        Literal["data-arrived", "drift", "feedback"], typer.Argument(help="What there is.")
    ],
    value: Annotated[float | None, typer.Option(help="How much, such as 0.3 or 500.")] = None,
    note: Annotated[str, typer.Option(help="For whoever reads the event.")] = "",
) -> None:
    """Report new data, drift or feedback; deployments that listen for it retrain the domain."""
    from tasks.signals import emit

    with shell.prefect_server():
        emit(domain, kind, {"value": value, "note": note})
    typer.echo(f"tuneline.{kind} of {domain} is reported")


@app.command()
def clean_up(
    keep_days: Annotated[float, typer.Option(min=0, help="Keep what was used since.")] = 90,
    delete: Annotated[bool, typer.Option("--delete", help="Delete; else only list.")] = False,
) -> None:
    """List outputs that no kept release needs and that were not used for long; or delete them."""
    from flows.tables import print_table
    from tasks import clean_up as cleaning

    planned, console = cleaning.plan(keep_days), shell.console()
    print_table(console, "Needed by no kept release", cleaning.rows(planned))
    console.print(f"{planned.size_mib:,.0f} MiB of {len(planned.paths)} outputs and left-overs")
    if delete:
        console.print(f"{cleaning.delete(planned, keep_days)} deleted")
    else:
        console.print("Nothing is deleted; --delete does it.")


@app.command()
def ui(
    mlflow: Annotated[bool, typer.Option(help="Also start the MLflow UI.")] = True,
    stop: Annotated[bool, typer.Option("--stop", help="Stop what this workspace started.")] = False,
) -> None:
    """Start the Prefect and MLflow UIs on localhost, or stop them."""
    from flows import servers

    for server in [servers.PREFECT, servers.MLFLOW] if mlflow or stop else [servers.PREFECT]:
        if stop:
            typer.echo(f"{server.name}: {'stopped' if servers.stop(server) else 'not running'}")
        else:
            servers.start(server)
            typer.echo(f"{server.name:<8} {server.url}")
