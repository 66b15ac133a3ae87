"""`tuneline servers`: PostgreSQL, storage, MLflow with passwords and Prefect on one machine."""

from typing import Annotated

import typer

app = typer.Typer(
    help="Run PostgreSQL, storage, MLflow with passwords and Prefect on this machine.",
    no_args_is_help=True,
)
S3 = Annotated[
    bool, typer.Option("--s3", help="Keep artifacts behind an S3 API, in memory: gone at stop.")
]


@app.command()
def start(s3: S3 = False) -> None:
    """Start all, or those that do not run, and wait until they answer."""
    from flows import shared_servers as shared

    for server in shared.start_all("s3" if s3 else "folder"):
        typer.echo(f"{server.name:<11} {server.url}")
    if s3:
        typer.echo("storage is held in memory: `tuneline servers stop` loses every artifact")
    typer.echo(f"addresses and passwords: set -a; . {shared.credentials_file()}; set +a")


@app.command()
def stop() -> None:
    """Stop all that this workspace started; data stays."""
    from flows import shared_servers as shared

    for server, was_running in shared.stop_all():
        typer.echo(f"{server.name:<11} {'stopped' if was_running else 'not running'}")


@app.command()
def status() -> None:
    """Say which of them run and answer; exit code 1 unless all that run answer."""
    from flows import shared_servers as shared

    is_well = True
    for server in shared.servers("s3"):
        runs = server.process() is not None
        state = "not running" if not runs else "answers" if server.is_ready() else "does not answer"
        is_well &= state != "does not answer"
        typer.echo(f"{server.name:<11} {state:<15} {server.url}")
    if not is_well:
        raise typer.Exit(1)
