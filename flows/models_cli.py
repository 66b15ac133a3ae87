"""Verbs that measure a trained model again: replay, compare-quantizations, review."""

from pathlib import Path
from typing import Annotated

import typer

from flows import shell
from flows.shell import Domain, Settings

app = typer.Typer()


@app.command()
def replay(
    domain: Domain,
    release: Annotated[str, typer.Argument(help="Release name, number or alias.")] = "champion",
    settings: Settings = None,
) -> None:
    """Train a release again; exit code 1 and a list of what differs unless it is identical."""
    overrides = shell.overrides_of(settings)
    console = shell.console()
    with shell.prefect_server():
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
    overrides = shell.overrides_of(settings)
    console = shell.console()
    with shell.prefect_server():
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

    review_by_hand(target, verdicts or [], against, pairs, seed, out, judge, shell.console())
