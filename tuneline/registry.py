"""The MLflow model registry: versions of each domain's adapter, and the ledger of its releases.

A domain is one registered model. Its ledger is a second one, `<domain>-ledger`, whose versions are
the events (`entries.py` says why). Release tags and aliases only mirror the ledger.
"""

import json
import logging
import random
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from tuneline.entries import MAX_TRIES, add_entry, search_entries
from tuneline.errors import RegistryError
from tuneline.release.event import Event, from_tags, to_tags
from tuneline.release.ledger import ABTest, LedgerState, OvertakenError, overtaken, replay
from tuneline.release.mirror import WrongAlias, WrongTag, differences
from tuneline.release.planning import (
    Plan,
    plan_ab_end,
    plan_ab_start,
    plan_promotion,
    plan_refusal,
    plan_registration,
    plan_rollback,
)
from tuneline.release.version import check_domain
from tuneline.store import digest_of, file_digests
from tuneline.tracking import connect

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

LINEAGE = "lineage.json"
"""Last file of an upload: where it is, all others are."""
FILES = "sha256.json"
"""Last file of what was attached to a version: file -> SHA-256."""
EVENT_SOURCE = "tuneline-ledger:/event"
"""MLflow wants a source for every version; an event has no files."""
MAX_ATTEMPTS = 100
"""Writes lost to other writers before one gives up."""
MAX_TAG_CHARS = 200


@dataclass(frozen=True, slots=True)
class Version:
    """A registered adapter."""

    domain: str
    number: str
    """Version number that MLflow gave."""
    release: str
    run_id: str
    """MLflow run that trained it."""
    candidate: str
    """Digest that identifies the adapter."""
    source: str
    """URI of the artifacts."""
    created: str
    """ISO 8601 in UTC."""
    evidence: str = ""
    """Digest of the numbers that were decided on when it was registered; empty where unknown."""


class Registry:
    """Versions, champion and history of every domain on one MLflow server or SQLite file."""

    def __init__(self, tracking_uri: str) -> None:
        self.uri = tracking_uri
        self.client = connect(tracking_uri)

    def state(self, domain: str) -> LedgerState:
        """Champion, challenger and events of a domain, as its ledger tells them."""
        check_domain(domain)
        entries = self._search(f"{domain}-ledger")
        return replay(from_tags(domain, int(entry.version), entry.tags) for entry in entries)

    def history(self, domain: str) -> list[Event]:
        """Valid events, oldest first."""
        return list(self.state(domain).events)

    def champion(self, domain: str) -> Version | None:
        """The version in service, or None before the first promotion; mends tags and aliases."""
        state = self.mend(domain)
        return self._version(domain, state, state.champion) if state.champion else None

    def domains(self) -> list[str]:
        """Every domain that has a ledger, by name."""
        found = self.client.search_registered_models("name LIKE '%-ledger'", max_results=1000)
        return sorted(str(model.name).removesuffix("-ledger") for model in found)

    def download(self, version: Version, folder: Path) -> Path:
        """Folder with the adapter and its `lineage.json`; fetched once, visible when it is whole.

        Raises:
            RegistryError: The files are gone.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        target = folder / digest_of(version.source)[:16]
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"), tempfile.TemporaryDirectory(dir=folder) as work:
            if not target.exists():
                try:
                    fetched = download_artifacts(
                        version.source, dst_path=work, tracking_uri=self.uri
                    )
                except (MlflowException, OSError) as error:
                    raise _files_gone(version) from error
                Path(fetched).replace(target)
        return target

    def find(self, domain: str, name: str) -> Version:
        """A version by release name, by number, or as `champion` or `challenger`.

        Raises:
            RegistryError: The domain has no such version.
        """
        state = self.state(domain)
        return self._version(domain, state, state.resolve(name))

    def register(
        self,
        domain: str,
        *,
        adapter: Path,
        candidate: str,
        day: date,
        lineage: Mapping[str, Any],
        run_id: str,
        description: str,
        actor: str,
        is_major: bool = False,
    ) -> Version:
        """Upload an adapter, give it a release name and make it the challenger, once per candidate.

        Killed anywhere and called again, it goes on where it stopped.

        Args:
            domain: Registered model.
            adapter: Folder with the adapter's files.
            candidate: Digest that identifies the adapter.
            day: Day in the release name.
            lineage: JSON-ready; stored as `lineage.json`, its short values as tags too.
            run_id: MLflow run that trained it.
            description: Markdown shown in MLflow's UI.
            actor: Who registers.
            is_major: The base model, the chat template or the labels changed.
        """
        check_domain(domain)
        number = self._number_of(domain, candidate)
        if number is None:
            model = self._upload(domain, adapter, candidate, lineage, run_id)
            tags = {"candidate": candidate, **_short_tags(lineage)}
            more = {"run_id": run_id, "model_id": model.model_id, "description": description}
            number = add_entry(self.client, domain, model.artifact_location, tags, **more)
        event = Event(
            "register", domain, actor, "", f"register:{candidate}", number,
            evidence=digest_of(lineage),
        )  # fmt: skip
        written = self._write(event, plan_registration(day, is_major))
        return self.find(domain, str(written.to_version))

    def promote(
        self,
        domain: str,
        name: str,
        *,
        actor: str,
        reason: str,
        evidence: str,
        key: str | None = None,
        expected_head: int | None = None,
    ) -> Event:
        """Make a version champion.

        Args:
            domain: Registered model.
            name: Release name, number, or `challenger`.
            actor: Who promotes.
            reason: Why, for the history.
            evidence: Digest of the reports that the decision rests on.
            key: Makes a repeated call one promotion.
            expected_head: `state(domain).head` when the decision was taken; unset: now.

        Raises:
            RegistryError: Another writer moved the champion since then, the version is champion
                already, or its files are gone.
        """
        number = self.state(domain).resolve(name)
        key = key or uuid.uuid4().hex
        event = Event("promote", domain, actor, reason, key, number, evidence=evidence)
        return self._write(event, plan_promotion, expected_head)

    def refuse(
        self, domain: str, name: str | None, *, actor: str, reason: str, evidence: str,
        key: str | None = None,
    ) -> Event:  # fmt: skip
        """Record that a candidate was judged and not promoted; arguments as for `promote`.

        A candidate that never became a version has no name.
        """
        number = self.state(domain).resolve(name) if name else None
        key = key or uuid.uuid4().hex
        event = Event("refuse", domain, actor, reason, key, number, evidence=evidence)
        return self._write(event, plan_refusal)

    def rollback(
        self, domain: str, *, actor: str, reason: str, to: str | None = None, key: str | None = None
    ) -> Event:
        """Return to the previous champion, or to an earlier one by release name or number.

        Raises:
            RegistryError: There is none, its files are gone, or another writer moved the champion.
        """
        number = to and self.state(domain).resolve(to)
        event = Event("rollback", domain, actor, reason, key or uuid.uuid4().hex, number)
        return self._write(event, plan_rollback)

    def start_test(
        self, domain: str, name: str, *, plan: str, actor: str, reason: str, key: str | None = None
    ) -> ABTest:
        """Begin an A/B test of a version against the champion; the version is the challenger.

        Args:
            domain: Registered model.
            name: Release name, number, or `challenger`.
            plan: Settings of the test as JSON.
            actor: Who begins it.
            reason: Why, for the history.
            key: Makes a repeated call one test.

        Raises:
            RegistryError: A test is running, there is no champion, the version is the champion, its
                files are gone, or another writer moved the champion.
        """
        number = self.state(domain).resolve(name)
        key = key or uuid.uuid4().hex
        event = Event("ab_start", domain, actor, reason, key, number, plan=plan)
        written = self._write(event, plan_ab_start)
        return next(t for t in self.state(domain).tests if t.start.number == written.number)

    def end_test(
        self, domain: str, test: str, verdict: str, *, actor: str, reason: str, evidence: str
    ) -> Event:
        """End a running A/B test once; with the verdict `promote` its challenger is champion.

        Args:
            domain: Registered model.
            test: Name of the test.
            verdict: promote, keep or cannot tell.
            actor: Who ends it.
            reason: What the verdict rests on, in words.
            evidence: Digest of the report that it rests on.

        Raises:
            RegistryError: The test is over, or the challenger's files are gone.
        """
        event = Event(
            "ab_end", domain, actor, reason, f"ab_end:{test}", evidence=evidence, verdict=verdict
        )
        return self._write(event, plan_ab_end(test))

    def attach(self, version: Version, name: str, folder: Path) -> str:
        """Log files that were made of a version, such as a quantized model, once per content.

        They are a logged model of their own, of the version's run, so that who downloads the
        version does not get them; the version's tag `attached.<name>` leads to them.

        Returns:
            Their URI, which MLflow downloads.
        """
        digests = file_digests(folder)
        digest = digest_of(digests)
        belongs = f"{version.domain}/{version.number}/{name}"
        experiment = self.client.get_run(version.run_id).info.experiment_id
        found = self.client.search_logged_models(
            [experiment], f"tags.attached = '{belongs}' and tags.sha256 = '{digest}'"
        )
        tags = {"attached": belongs, "release": version.release, "sha256": digest}
        model = next(iter(found), None) or self.client.create_logged_model(
            experiment, f"{version.domain}-{name}", version.run_id, tags, None, "quantized-model"
        )
        if str(model.status) != "READY":
            self.client.log_model_artifacts(model.model_id, str(folder))
            self._log_json(model.model_id, FILES, digests)
            self.client.finalize_logged_model(model.model_id, "READY")
        tag = f"models:/{model.model_id} sha256:{digest}"
        self.client.set_model_version_tag(version.domain, version.number, f"attached.{name}", tag)
        return f"models:/{model.model_id}"

    def attached(self, version: Version, name: str, folder: Path) -> Path:
        """Download what `attach` logged under a name, each file verified by its SHA-256.

        Raises:
            RegistryError: Nothing has that name, the files are gone, or they are other files.
        """
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        tags = self.client.get_model_version(version.domain, version.number).tags
        prefix = "attached."
        if f"{prefix}{name}" not in tags:
            known = [tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)]
            raise RegistryError(
                f"{version.release} has no files named {name}; it has {', '.join(known) or 'none'}"
            )
        uri, _, digest = tags[f"{prefix}{name}"].partition(" sha256:")
        place = self.client.get_logged_model(uri.removeprefix("models:/")).artifact_location
        target = folder / digest[:16]
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"), tempfile.TemporaryDirectory(dir=folder) as work:
            if not target.exists():
                try:
                    fetched = Path(download_artifacts(place, dst_path=work, tracking_uri=self.uri))
                except (MlflowException, OSError) as error:
                    raise _files_gone(replace(version, source=uri)) from error
                _verify(fetched, digest, f"{name} of {version.release}")
                fetched.replace(target)
        return target

    def annotate(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version that people read in MLflow's UI; nothing is decided by them."""
        for tag, value in tags.items():
            self.client.set_model_version_tag(version.domain, version.number, tag, value)

    def append(self, event: Event) -> Event:
        """Write one event if `event.follows` is still the head; its number is given by MLflow.

        Returns:
            The event as written, or the valid one that carries the same key.

        Raises:
            OvertakenError: Another writer was first; the message says who.
        """
        add_entry(self.client, f"{event.domain}-ledger", EVENT_SOURCE, to_tags(event))
        state = self.state(event.domain)
        if written := state.by_key(event.key):
            log.info("registry: event=%d %s", written.number, written)
            return written
        raise overtaken(state, event)

    def drift(self, domain: str) -> list[str]:
        """Tags and aliases that say something else than the ledger, in words; changes nothing."""
        return [str(wrong) for wrong in self._differences(domain, self.state(domain))]

    def mend(self, domain: str) -> LedgerState:
        """Make tags and aliases say what the ledger says; returns what that is.

        The ledger is read again after every change, so that the last of several menders leaves
        the newest state behind.
        """
        for _ in range(MAX_TRIES):
            state = self.state(domain)
            wrong = self._differences(domain, state)
            for difference in wrong:
                log.info("registry: domain=%s mending: %s", domain, difference)
                self._mend(domain, difference)
            if not wrong:
                break
        return state

    def _write(self, event: Event, plan: Plan, expected_head: int | None = None) -> Event:
        """Append an event once per key, then mend.

        Losing to an event that left the champion alone takes nothing from a decision, which is
        then written again; a registration does not rest on the champion at all.
        """
        state = self.state(event.domain)
        seen = state.head if expected_head is None else expected_head
        for _ in range(MAX_ATTEMPTS):
            if written := state.by_key(event.key):
                break
            if event.kind != "register" and state.champion != state.champion_at(seen):
                raise overtaken(state, replace(event, follows=seen))
            planned = plan(state, _after(state, event))
            if planned.moves_champion or planned.kind == "ab_start":
                self._check_files(event.domain, state, str(planned.to_version))
            try:
                written = self.append(planned)
                break
            except OvertakenError as error:
                lost = error
            time.sleep(random.uniform(0, 0.05))
            state = self.state(event.domain)
        else:
            raise lost
        self.mend(event.domain)
        return written

    def _differences(self, domain: str, state: LedgerState) -> list[WrongTag | WrongAlias]:
        if not state.releases():
            return []
        tags = {str(entry.version): entry.tags.get("release") for entry in self._search(domain)}
        aliases = self.client.get_registered_model(domain).aliases
        return list(differences(state, tags, {name: str(v) for name, v in aliases.items()}))

    def _mend(self, domain: str, wrong: WrongTag | WrongAlias) -> None:
        """Fails softly: the ledger stands, and the mirror waits for the next one to come by."""
        from mlflow.exceptions import MlflowException

        try:
            if isinstance(wrong, WrongTag):
                self.client.set_model_version_tag(domain, wrong.version, "release", wrong.wanted)
            elif wrong.wanted is None:
                self.client.delete_registered_model_alias(domain, wrong.alias)
            else:
                self.client.set_registered_model_alias(domain, wrong.alias, wrong.wanted)
        except MlflowException as error:
            first_line = str(error).partition("\n")[0]
            log.warning("registry: domain=%s cannot mend: %s: %s", domain, wrong, first_line)

    def _version(self, domain: str, state: LedgerState, number: str) -> Version:
        from mlflow.exceptions import MlflowException

        try:
            entry = self.client.get_model_version(domain, number)
        except MlflowException as error:
            raise RegistryError(f"version {number} of {domain} cannot be read: {error}") from error
        created = datetime.fromtimestamp(entry.creation_timestamp / 1000, UTC)
        return Version(
            domain, number, state.releases()[number], str(entry.run_id),
            entry.tags.get("candidate", ""), str(entry.source),
            created.isoformat(timespec="seconds"), entry.tags.get("lineage.evidence", ""),
        )  # fmt: skip

    def _check_files(self, domain: str, state: LedgerState, number: str) -> None:
        from mlflow.artifacts import list_artifacts

        version = self._version(domain, state, number)
        files = list_artifacts(artifact_uri=version.source, tracking_uri=self.uri)
        if LINEAGE not in {Path(file.path).name for file in files}:
            raise _files_gone(version)

    def _number_of(self, domain: str, candidate: str) -> str | None:
        found = self._search(domain, f" and tags.candidate = '{candidate}'")
        return next((str(entry.version) for entry in found), None)

    def _upload(
        self,
        domain: str,
        adapter: Path,
        candidate: str,
        lineage: Mapping[str, Any],
        run_id: str,
    ) -> "LoggedModel":
        """Log the adapter as a model of the run, or finish the upload of a killed registration."""
        experiment = self.client.get_run(run_id).info.experiment_id
        found = self.client.search_logged_models([experiment], f"tags.candidate = '{candidate}'")
        model = next(iter(found), None) or self.client.create_logged_model(
            experiment, f"{domain}-adapter", run_id, {"candidate": candidate}, None, "peft-adapter"
        )
        if str(model.status) != "READY":
            self.client.log_model_artifacts(model.model_id, str(adapter))
            files = {**lineage, "files": file_digests(adapter)}
            self._log_json(model.model_id, LINEAGE, files)
            self.client.finalize_logged_model(model.model_id, "READY")
        return model

    def _log_json(self, model_id: str, name: str, content: Mapping[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")
            self.client.log_model_artifact(model_id, str(path))

    def _search(self, name: str, more: str = "") -> Iterator["ModelVersion"]:
        return search_entries(self.client, name, more)


def _verify(folder: Path, digest: str, what: str) -> None:
    """Refuse downloaded files that are not those that were logged."""
    expected = json.loads((folder / FILES).read_text(encoding="utf-8"))
    found = {name: sha for name, sha in file_digests(folder).items() if name != FILES}
    wrong = sorted(
        name for name in found.keys() | expected if found.get(name) != expected.get(name)
    )
    if wrong or digest_of(expected) != digest:
        raise RegistryError(
            f"the files of {what} are not those that were logged: {', '.join(wrong) or FILES} "
            "differs; make and log them again with `tuneline compare-quantizations`"
        )


def _files_gone(version: Version) -> RegistryError:
    return RegistryError(
        f"the files of version {version.number} of {version.domain} are gone from "
        f"{version.source}; restore them or choose another version"
    )


def _after(state: LedgerState, event: Event) -> Event:
    """The event as it is written on top of a state."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    return replace(event, follows=state.head, from_version=state.champion, at=at)


def _short_tags(lineage: Mapping[str, Any]) -> dict[str, str]:
    """Values of the lineage that are short enough to be read as tags."""
    short = {name: str(v) for name, v in lineage.items() if isinstance(v, str | int | float)}
    return {f"lineage.{name}": v for name, v in short.items() if v and len(v) <= MAX_TAG_CHARS}
