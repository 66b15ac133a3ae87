"""Verbs that look at releases or copy them: status, diff, export."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from flows import shell
from flows.shell import AsJson, console, has_prefect_server, prefect_server

if TYPE_CHECKING:
    from tasks.difference import ReleaseDifference

app = typer.Typer()

Release = Annotated[str, typer.Argument(help="Release name, such as v1.0-lawyer-20250401.")]


@app.command()
def status(
    domain: Annotated[str | None, typer.Argument(help="One domain; default: all.")] = None,
    as_json: AsJson = False,
) -> None:
    """Champion, challenger, last verdict, A/B test and next retraining of each domain."""
    from datetime import UTC, datetime

    from flows.tables import print_table
    from tasks import status as reading

    registry = shell.registry()
    names = [domain] if domain else reading.domains(registry)
    next_runs = {}
    if names and has_prefect_server():
        with prefect_server():
            next_runs = reading.scheduled()
    found = reading.read(registry, names, next_runs)
    if as_json:
        typer.echo(json.dumps(reading.as_json(found), indent=1, ensure_ascii=False))
    elif found:
        print_table(console(), "Domains", reading.rows(found, datetime.now(UTC)))
    else:
        typer.echo("No domain has a release yet; `tuneline retrain demo` makes the first one.")


@app.command()
def diff(before: Release, after: Release, as_json: AsJson = False) -> None:
    """Data, settings, packages, metrics and answers that differ between two releases."""
    from tasks.difference import compare

    found = compare(before, after)
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1, ensure_ascii=False))
    else:
        _print_difference(found)


@app.command()
def export(
    model: Annotated[str, typer.Argument(help="lawyer@champion, lawyer@3, or a release name.")],
    out: Annotated[str, typer.Option(help="Folder that the new folder is put into.")],
    form: Annotated[
        str, typer.Option("--format", help="adapter, merged, or such as nf4 or gguf-q4_k_m.")
    ] = "merged",
) -> None:
    """Write a release as a folder that transformers, vLLM or llama.cpp serves."""
    from flows.terminal import shown_progress
    from tuneline.release.version import model_named

    domain, release = model_named(model)
    with prefect_server():
        from flows.export import STAGES
        from flows.export import export as flow

        with shown_progress(console(), STAGES, prior_s=0):
            folder = flow(domain, release, form, out)
    typer.echo(folder)


def _print_difference(found: "ReleaseDifference") -> None:
    from flows.tables import print_table

    out, title = console(), f"{found.before.release} -> {found.after.release}"
    changed = [asdict(one) for one in found.changed]
    print_table(out, title, changed)
    if not changed:
        out.print(f"{title}: made of the same data, settings, code and packages")
    print_table(out, "Metrics over the holdout", found.metrics)
    if found.answers is not None:
        equal = found.answers
        out.print(f"Answers: {equal.n_equal} of {equal.n} are the same ({equal.share:.0%})")
