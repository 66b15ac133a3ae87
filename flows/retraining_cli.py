"""Verbs of a retraining and what comes before: check, preflight, search, retrain, explain."""

from typing import Annotated, Literal

import typer

from flows import shell
from flows.shell import ProfileName, Settings

app = typer.Typer()


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

    overrides = shell.overrides_of(settings)
    load_profile(profile, overrides)  # a wrong setting fails before Prefect starts
    console = shell.console()
    with shell.prefect_server():
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

    print_explanation(load_profile(profile).domain, shell.console())


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

    run(target, shell.overrides_of(settings), shell.console())


@app.command()
def recommend(
    profile: ProfileName,
    settings: Settings = None,
) -> None:
    """Training settings to begin with, for the kind and amount of data, with reasons."""
    from flows.recommending import show_recommendation

    overrides = shell.overrides_of(settings)
    show_recommendation(profile, overrides, shell.console())


@app.command()
def search(
    profile: ProfileName,
    trials: Annotated[int | None, typer.Option(help="Trials in all, with those done.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Wall time of this command.")] = None,
    settings: Settings = None,
) -> None:
    """Try training settings on the validation split; run again to go on, or twice at once."""
    from tuneline.profile import load_profile

    overrides = shell.overrides_of(settings)
    budget = {"search.trials": trials, "search.minutes": minutes}
    overrides |= {key: value for key, value in budget.items() if value is not None}
    load_profile(profile, overrides)  # a wrong setting fails before Prefect starts
    console = shell.console()
    with shell.prefect_server():
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

    run(profile, shell.overrides_of(settings), shell.console())
