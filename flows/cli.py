"""The `tuneline` command: one verb per flow, and status, history, ui."""

import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from flows.ab_cli import app as ab_app
from flows.ledger_cli import app as ledger_app
from flows.looking_cli import app as looking_app
from flows.metrics_cli import app as metrics_app
from flows.release_cli import app as release_app
from flows.servers_cli import app as servers_app
from flows.shell import Domain
from flows.shell import console as _console
from flows.shell import prefect_server as _prefect_server

app = typer.Typer(
    help="Retrain, measure, release and roll back domain language models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(release_app)
app.add_typer(looking_app)
app.add_typer(ab_app, name="ab")
app.add_typer(ledger_app)
app.add_typer(servers_app, name="servers")
app.add_typer(metrics_app, name="metrics")

ProfileName = Annotated[str, typer.Argument(help="A file of profiles/ without its ending.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one setting, such as training.epochs."),
]


@app.command()
def retrain(
    profile: ProfileName,
    settings: Settings = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Build every stage again; gives a new candidate.")
    ] = False,
    major: Annotated[
        bool, typer.Option("--major", help="Give the release the next major number.")
    ] = False,
    when_busy: Annotated[
        Literal["wait", "refuse"], typer.Option(help="While the domain is being retrained.")
    ] = "wait",
    explain: Annotated[
        bool, typer.Option("--explain", help="Say of each stage why it ran or was reused.")
    ] = False,
) -> None:
    """Raw records to promotion verdict for one domain."""
    from tuneline.profile import load_profile

    overrides = _overrides(settings)
    load_profile(profile, overrides)  # a wrong setting fails before Prefect starts
    console = _console()
    with _prefect_server():
        from flows.retrain import retrain as flow
        from flows.summary import print_summary
        from flows.terminal import shown_progress

        with shown_progress(console):
            result = flow(profile, overrides, when_busy=when_busy, fresh=fresh, major=major)
    print_summary(result, console)
    if explain:
        from flows.explaining import print_explanation

        print_explanation(result.domain, console)


@app.command()
def explain(profile: ProfileName) -> None:
    """What each stage of the last retraining was made of, and why it ran or was reused."""
    from flows.explaining import print_explanation
    from tuneline.profile import load_profile

    print_explanation(load_profile(profile).domain, _console())


@app.command()
def fetch(
    profile: ProfileName,
) -> None:
    """Get a profile's base model ready: downloaded or unpacked once, for all later runs."""
    from tuneline.base_model import materialize, materialize_tokenizer
    from tuneline.profile import load_profile
    from tuneline.store import Store, workspace

    config, store = load_profile(profile).base_model, Store(workspace())
    materialize_tokenizer(config, store)
    typer.echo(f"base model {config.name}: {materialize(config, store).folder}")


@app.command()
def check(
    target: Annotated[str, typer.Argument(help="A profile, or a data file, folder, glob or URL.")],
    settings: Settings = None,
) -> None:
    """Read, clean, deduplicate and split data without training; exit code 1 if it would stop."""
    from flows.checking import check as run

    run(target, _overrides(settings), _console())


@app.command()
def recommend(
    profile: ProfileName,
    settings: Settings = None,
) -> None:
    """Training settings to begin with, for the kind and amount of data, with reasons."""
    from flows.recommending import show_recommendation

    overrides = _overrides(settings)
    show_recommendation(profile, overrides, _console())


@app.command()
def search(
    profile: ProfileName,
    trials: Annotated[int | None, typer.Option(help="Trials in all, with those done.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Wall time of this command.")] = None,
    settings: Settings = None,
) -> None:
    """Try training settings on the validation split; run again to go on, or twice at once."""
    from tuneline.profile import load_profile

    overrides = _overrides(settings)
    budget = {"search.trials": trials, "search.minutes": minutes}
    overrides |= {key: value for key, value in budget.items() if value is not None}
    load_profile(profile, overrides)  # a wrong setting fails before Prefect starts
    console = _console()
    with _prefect_server():
        from flows.search import STAGES, show
        from flows.search import search as flow
        from flows.terminal import shown_progress

        with shown_progress(console, STAGES, prior_s=0):
            found = flow(profile, overrides)
    show(profile, found, console)


@app.command()
def preflight(
    profile: ProfileName,
    settings: Settings = None,
) -> None:
    """Check a training and forecast memory, time and cost; no GPU; exit code 1 if it would stop."""
    from flows.preflight import preflight as run

    run(profile, _overrides(settings), _console())


@app.command()
def replay(
    domain: Domain,
    release: Annotated[str, typer.Argument(help="Release name, number or alias.")] = "champion",
    settings: Settings = None,
) -> None:
    """Train a release again; exit code 1 and a list of what differs unless it is identical."""
    overrides = _overrides(settings)
    console = _console()
    with _prefect_server():
        from flows.replay import STAGES, print_replay
        from flows.replay import replay as flow
        from flows.terminal import shown_progress

        with shown_progress(console, STAGES, prior_s=0):
            replayed = flow(domain, release, overrides)
    print_replay(replayed, console)
    if not replayed.is_identical:
        raise typer.Exit(1)


@app.command()
def compare_quantizations(
    domain: Domain,
    release: Annotated[str, typer.Argument(help="Release name, number or alias.")] = "champion",
    variants: Annotated[
        str | None,
        typer.Option(help="Such as int8,gguf-q4_k_m; default: those of the release's profile."),
    ] = None,
    settings: Settings = None,
) -> None:
    """Quantize a release in every way, measure, recommend, and log what is recommended with it."""
    overrides = _overrides(settings)
    console = _console()
    with _prefect_server():
        from flows.compare_quantizations import STAGES, print_comparison
        from flows.compare_quantizations import compare_quantizations as flow
        from flows.terminal import shown_progress

        with shown_progress(console, STAGES, prior_s=0):
            compared = flow(domain, release, variants.split(",") if variants else None, overrides)
    print_comparison(compared, console)


@app.command()
def review(
    target: Annotated[str, typer.Argument(help="Release, domain, or digits of a candidate.")],
    verdicts: Annotated[
        list[Path] | None, typer.Option("--import", help="Verdicts to import, JSONL or CSV.")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Model to compare with; default: champion, else base.")
    ] = None,
    pairs: Annotated[int, typer.Option(min=1, help="Most pairs.")] = 100,
    seed: Annotated[int, typer.Option(help="Decides prompts, order and sides.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for the reviewers' files.")] = None,
    judge: Annotated[
        str | None, typer.Option(metavar="PROFILE", help="Also ask the judge of this profile.")
    ] = None,
) -> None:
    """Compare answers blindly: write pairs for people, or import their verdicts."""
    from flows.review import review_by_hand

    review_by_hand(target, verdicts or [], against, pairs, seed, out, judge, _console())


@app.command()
def set_up(
    gpus: Annotated[int, typer.Option(min=1, help="GPUs of all workers of the pool gpu.")] = 1,
) -> None:
    """Make work pools, queues and the reaper of dead runs on the Prefect server; run it again."""
    from flows.setting_up import set_up as run

    with _prefect_server():
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

    with _prefect_server():
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

    planned, console = cleaning.plan(keep_days), _console()
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


def _overrides(settings: list[str] | None) -> dict[str, Any]:
    from tuneline.profile import parse_override

    return dict(parse_override(text) for text in settings or [])


def main() -> None:
    """Run the command; an error that a user can act on is one sentence and exit code 1."""
    from tuneline.errors import TunelineError
    from tuneline.tracking import refusal, tracking_uri

    _set_up_terminal()
    try:
        app()
    except Exception as error:
        known = error if isinstance(error, TunelineError) else refusal(error, tracking_uri())
        if known is None:
            raise
        typer.echo(f"error: {known}", err=True)
        sys.exit(1)


def _set_up_terminal() -> None:
    """Show our own warnings as one line each; Prefect keeps its full log for the run page."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    logging.getLogger("tuneline").addHandler(handler)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")


if __name__ == "__main__":
    main()
