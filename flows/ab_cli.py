"""`tuneline ab`: begin, watch and end A/B tests."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from flows import shell
from flows.shell import Domain

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.ab_test import Looked

MAX_BAD_SHOWN = 10

app = typer.Typer(
    help="Test the challenger against the champion on real traffic.", no_args_is_help=True
)


@app.command()
def start(
    domain: Domain,
    metric: Annotated[str, typer.Option(help="Field of the outcomes, such as thumbs_up.")],
    min_effect: Annotated[float, typer.Option(help="Smallest gain worth a change, as 0.02.")],
    split: Annotated[str, typer.Option(help="Champion/challenger in percent.")] = "90/10",
    guardrail: Annotated[
        list[str] | None,
        typer.Option(help="What the challenger must keep: p95_latency_s<=1.0, error_rate<=0.01."),
    ] = None,
    version: Annotated[str, typer.Option(help="Release name, number or alias.")] = "challenger",
    lower_is_better: Annotated[
        bool, typer.Option("--lower-is-better", help="The metric is a cost.")
    ] = False,
    alpha: Annotated[float, typer.Option(help="Chance of a wrong verdict.")] = 0.05,
    max_days: Annotated[float, typer.Option(help="End by schedule at the latest.")] = 28,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
) -> None:
    """Begin a test: from now on a share of the users sees the challenger."""
    from pydantic import ValidationError

    from tasks import ab_test
    from tasks.release import whoami
    from tuneline.errors import ABTestError
    from tuneline.release.ab.config import parse_split

    settings = {
        "metric": metric,
        "min_effect": min_effect,
        "challenger_share": parse_split(split),
        "guardrails": guardrail or [],
        "lower_is_better": lower_is_better,
        "alpha": alpha,
        "max_days": max_days,
    }
    try:
        test, config = ab_test.start(
            domain, settings, version=version, reason=reason, actor=whoami()
        )
    except ValidationError as error:
        wrong = error.errors()[0]
        place = ".".join(map(str, wrong["loc"]))
        raise ABTestError(f"{place} is {wrong['input']!r}: {wrong['msg']}") from error
    typer.echo(
        f"{domain}: {test.name} began, version {test.start.to_version} against "
        f"{test.start.from_version}\nsalt of the assignment: {config.salt}"
    )


@app.command()
def status(
    domain: Domain,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Interval, guardrails, ratio of users and time left of the last test; changes nothing."""
    from tasks import ab_test

    looked = ab_test.look(domain)
    folder, digest = ab_test.save(looked)
    if as_json:
        told = {
            "outcome": looked.test.outcome,
            "verdict": looked.decision.verdict,
            "reasons": looked.decision.reasons,
            "report": looked.report.to_json(),
            "digest": digest,
            "picture": str(folder / ab_test.PICTURE),
        }
        typer.echo(json.dumps(told, indent=1, ensure_ascii=False))
        return
    console = shell.console()
    _print(looked, console)
    console.print(f"Picture: {folder / ab_test.PICTURE}", markup=False, soft_wrap=True)


@app.command()
def stop(
    domain: Domain,
    reason: Annotated[str, typer.Option(help="Why now, for the history.")] = "",
) -> None:
    """End the running test by what is known now: promote, keep or cannot tell."""
    from tasks import ab_test, hooks
    from tasks.release import whoami
    from tuneline.errors import ABTestError

    looked = ab_test.look(domain)
    if looked.test.end is not None:
        raise ABTestError(
            f"{domain}: no test is running; {looked.test.name}: {looked.test.outcome}"
        )
    event = ab_test.finish(looked, whoami(), reason)
    _print(looked, shell.console())
    champion = "the challenger is champion" if event.moves_champion else "the champion stays"
    typer.echo(f"{domain}: {looked.test.name} ended with '{event.verdict}', {champion}")
    for told in hooks.tell(domain, since=event.follows):
        typer.echo(f"{told.hook}: {'done' if told.is_done else 'FAILED'}, {told.said}")


@app.command()
def record(
    domain: Domain,
    files: Annotated[
        list[str], typer.Argument(help="JSONL or Parquet files, or such objects in a bucket.")
    ],
) -> None:
    """Record outcomes, each once; exit code 1 where rows are none."""
    from tasks import ab_test

    done, bad = ab_test.record(domain, files)
    typer.echo(f"{done.recorded} recorded, {done.duplicates} duplicate, {len(bad)} bad")
    for row in bad[:MAX_BAD_SHOWN]:
        typer.echo(f"  {row.place}: {row.reason}")
    if bad:
        raise typer.Exit(1)


@app.command()
def serve(
    domain: Domain,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8600,
) -> None:
    """Serve GET /assign?user= and POST /outcomes until stopped; it knows no passwords."""
    from flows import ab_server

    typer.echo(f"A/B tests of {domain}: http://{host}:{port}")
    ab_server.serve(domain, host, port)


def _print(looked: "Looked", console: "Console") -> None:
    from flows.tables import print_table
    from tasks.ab_test import arm_rows, guardrail_rows, pace, traffic

    report, decision = looked.report, looked.decision
    title = f"{report.domain}, {report.test} since {report.started}: {looked.test.outcome}"
    print_table(console, title, arm_rows(report))
    print_table(console, "Guardrails", guardrail_rows(report))
    console.print(f"[bold]Verdict now: {decision.verdict}[/]")
    for reason in decision.reasons:
        console.print(f"  - {reason}", markup=False, soft_wrap=True)
    for line in (pace(report), traffic(report)):
        console.print(line, markup=False, soft_wrap=True)
    for row in looked.bad[:MAX_BAD_SHOWN]:
        console.print(f"  {row.place}: {row.reason}", markup=False, soft_wrap=True)
