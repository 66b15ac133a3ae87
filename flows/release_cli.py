"""Verbs that change what serves: promote, approve, refuse, rollback, drill."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.shell import Domain, Reason, console, has_prefect_server, prefect_server

if TYPE_CHECKING:
    from tasks.approval import Says

app = typer.Typer()

Release = Annotated[str, typer.Argument(help="Release name, such as v1.1-lawyer-20261123.")]


@app.command()
def promote(
    domain: Domain,
    reason: Reason,
    version: Annotated[str, typer.Option(help="Release name, number or alias.")] = "challenger",
    force: Annotated[
        bool, typer.Option("--force", help="Overrule the gate; the history keeps it for ever.")
    ] = False,
) -> None:
    """Make a version the champion of its domain, if the gate lets it pass."""
    from tasks import promotion

    promoted = promotion.promote(domain, version, reason, force)
    typer.echo(f"{domain}: champion is now {promoted.release} (version {promoted.number})")
    _tell(domain)


@app.command()
def rollback(
    domain: Domain,
    reason: Reason,
    to: Annotated[str | None, typer.Option(help="Release name or number; default: last.")] = None,
) -> None:
    """Return to the previous champion of a domain, verified first; nothing is deleted."""
    from tasks import promotion

    champion = promotion.rollback(domain, reason, to)
    typer.echo(f"{domain}: champion is again {champion.release} (version {champion.number})")
    _tell(domain)


@app.command()
def approve(release: Release, reason: Reason) -> None:
    """Approve a release that waits for a person, and make it champion."""
    _answer(release, "approve", reason)
    _tell(_domain_of(release))


@app.command()
def refuse(release: Release, reason: Reason) -> None:
    """Refuse a release; it stays in the registry and is nobody's challenger."""
    _answer(release, "refuse", reason)


@app.command()
def drill(domain: Domain) -> None:
    """Rehearse a rollback on a copy of the domain, and say how long it takes."""
    from tasks.drill import rehearse

    done = rehearse(domain)
    typer.echo(
        f"{domain}: rolled back from {done.served} to {done.returned} in {done.rollback_s:.2f} s "
        f"({done.n_files} files verified by SHA-256), and forward again in {done.forward_s:.2f} s; "
        f"on copies in {done.domain}, {domain} is as it was"
    )


def _answer(release: str, says: "Says", reason: str) -> None:
    from tasks import approval

    typer.echo(approval.answer(release, says, reason))
    if has_prefect_server():
        with prefect_server():
            n_closed = approval.close_forms(release, says, reason)
        if n_closed:
            typer.echo("the form on its run page is closed")


def _tell(domain: str) -> None:
    from flows.tables import print_table
    from tasks import hooks

    print_table(console(), "Hooks", hooks.hook_rows(hooks.tell(domain)))


def _domain_of(release: str) -> str:
    from tuneline.release.version import ReleaseName

    return ReleaseName.parse(release).domain
