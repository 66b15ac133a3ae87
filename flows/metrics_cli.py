"""`tuneline metrics`: what Prometheus scrapes."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

app = typer.Typer(help="Runs, queues, GPU time and champions for Prometheus.", no_args_is_help=True)
Days = Annotated[float, typer.Option(min=0.01, help="Age of the oldest runs that count.")]


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port of /metrics; 0 for a free one.")] = 9109,
    host: Annotated[str, typer.Option(help="Address; 0.0.0.0 for all.")] = "127.0.0.1",
    days: Days = 7,
) -> None:
    """Answer /metrics until it is stopped; every scrape asks Prefect, the registry and the disk."""
    from prometheus_client import start_http_server

    server, thread = start_http_server(port, host, _registry(days))
    typer.echo(f"http://{host}:{server.server_port}/metrics")
    try:
        while thread.is_alive():
            time.sleep(1)
    except KeyboardInterrupt:
        server.shutdown()


@app.command()
def show(days: Days = 7) -> None:
    """Print the metrics once, as Prometheus reads them."""
    from prometheus_client import generate_latest

    typer.echo(generate_latest(_registry(days)).decode(), nl=False)


def _registry(days: float) -> "CollectorRegistry":
    from prefect.settings import PREFECT_API_URL
    from prometheus_client import CollectorRegistry

    from flows.shell import prefect_server
    from tasks.metrics import LineCollector

    registry = CollectorRegistry()
    with prefect_server():
        registry.register(LineCollector(days, PREFECT_API_URL.value()))
    return registry
