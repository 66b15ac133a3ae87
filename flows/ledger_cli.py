"""Verbs that read a domain's ledger: history, why, verify."""

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows import shell
from flows.shell import AsJson, Domain

if TYPE_CHECKING:
    from tuneline.registry import Registry
    from tuneline.release.event import Event
    from tuneline.release.ledger import LedgerState

app = typer.Typer()


@app.command()
def history(
    domain: Domain,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="What was champion then, such as 2026-11-02T10:00; without an offset in the time "
            "zone of this machine.",
        ),
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="Also draw it: a .png or .svg file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Every event of a domain: who, when, why. Times are those of the writers' clocks."""
    from flows.summary import event_rows, print_history
    from tuneline.release.past import parse_moment

    state = shell.registry().state(domain)
    if picture:
        from tuneline.release.timeline import draw_timeline

        draw_timeline(domain, state, picture, datetime.now().astimezone())
    if at:
        _print_then(domain, state, parse_moment(at), as_json)
    elif as_json:
        typer.echo(_json([full | _digests(e) for full, e in _paired(event_rows, state)]))
    else:
        print_history(domain, state.events, shell.console())
    if picture and not as_json:
        typer.echo(f"drawn: {picture}")


@app.command()
def why(
    model: Annotated[
        str,
        typer.Argument(help="Release name, lawyer@3, lawyer@champion, or digits of a candidate."),
    ],
    as_json: AsJson = False,
) -> None:
    """Why a release or a candidate was promoted, refused or rolled back, with each reason."""
    from flows.summary import event_rows
    from tuneline.release.past import events_about

    registry = shell.registry()
    domain, name = _locate(registry, model)
    state = registry.state(domain)
    events = events_about(state, name)
    rows = [row | _digests(event) for row, event in _paired(event_rows, state) if event in events]
    if as_json:
        typer.echo(_json([row | {"reason": row["reason"].split("; ")} for row in rows]))
        return
    for row in rows:
        against = f", champion was {row['from']}" if row["from"] else ""
        about = row["to"] or "a candidate without a release name"
        typer.echo(f"{row['at']}  {row['kind']} of {about} by {row['actor']}{against}")
        for reason in filter(None, row["reason"].split("; ")):
            typer.echo(f"  - {reason}")
        typer.echo(f"  event {row['event']}, evidence {row['evidence'] or 'none'}")


@app.command()
def verify(
    domain: Domain,
    release: Annotated[
        list[str] | None,
        typer.Option(help="Compare the files of this one only: release name, number or alias."),
    ] = None,
    reconcile: Annotated[
        bool, typer.Option("--reconcile", help="Undo what was changed by hand, and record it.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "",
    as_json: AsJson = False,
) -> None:
    """Hold events, release names, aliases and files against the ledger; exit code 1 if tampered."""
    from dataclasses import asdict

    from tasks.release import whoami

    registry = shell.registry()
    if reconcile and (event := registry.reconcile(domain, actor=whoami(), reason=reason or "none")):
        typer.echo(f"event {event.number}: {event.reason}", err=as_json)
    findings = registry.audit(domain, release)
    if as_json:
        rows = [asdict(found) | {"is_tampering": found.is_tampering} for found in findings]
        typer.echo(_json(rows))
    else:
        for found in findings:
            typer.echo(f"{found.kind}: {found.found}\n  {found.way_out}")
        n = "named" if release else "all"
        typer.echo(f"{domain}: {len(findings)} found; files of {n} releases were compared")
    if any(found.is_tampering for found in findings):
        raise typer.Exit(1)


def _print_then(domain: str, state: "LedgerState", moment: datetime, as_json: bool) -> None:
    """Champion, challenger and the one before at a moment."""
    from tuneline.release.past import state_at

    then = state_at(state, moment)
    names = state.releases()
    row = {
        "at": moment.isoformat(),
        "champion": names.get(then.champion or ""),
        "challenger": names.get(then.challenger or ""),
        "previous": names.get(then.previous[-1]) if then.previous else None,
        "last_event": then.head,
    }
    if as_json:
        typer.echo(_json(row))
        return
    zone = f"{moment.tzname()}, by the writers' clocks"
    typer.echo(f"{domain} at {row['at']} ({zone}):")
    for what in ("champion", "challenger", "previous"):
        typer.echo(f"  {what:<10} {row[what] or 'none'}")
    typer.echo(f"  after event {then.head}")


def _locate(registry: "Registry", model: str) -> tuple[str, str]:
    """Domain and name of a model: of a release name, `domain@name`, or a candidate's digits."""
    from tuneline.errors import RegistryError
    from tuneline.release.past import events_about, is_candidate
    from tuneline.release.version import ReleaseName

    domain, at, name = model.partition("@")
    if at:
        return domain, name
    with suppress(RegistryError):
        return ReleaseName.parse(model).domain, model
    for domain in registry.domains() if is_candidate(model) else ():
        with suppress(RegistryError):
            events_about(registry.state(domain), model)
            return domain, model
    raise RegistryError(
        f"no ledger knows '{model}'; name a release such as v1.0-lawyer-20250401, lawyer@champion, "
        "lawyer@3, or six digits or more of a candidate"
    )


def _paired(rows: Any, state: "LedgerState") -> list[tuple[dict[str, Any], "Event"]]:
    return list(zip(rows(state.events), state.events, strict=True))


def _digests(event: "Event") -> dict[str, Any]:
    """What the table has no room for."""
    return {"evidence": event.evidence, "follows": event.follows, "version": event.to_version}


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
