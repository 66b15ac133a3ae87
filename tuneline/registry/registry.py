"""What changes a registry; reading it is in `reader.py`."""

import uuid
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from tuneline import logs
from tuneline.registry import artifacts, attachments, chain, mirroring, registration, verification
from tuneline.registry.reader import RegistryReader
from tuneline.registry.versions import Version, read_version
from tuneline.release.event import Event
from tuneline.release.ledger import ABTest, LedgerState
from tuneline.release.planning import (
    Plan,
    plan_ab_end,
    plan_ab_start,
    plan_promotion,
    plan_reconciliation,
    plan_refusal,
    plan_rollback,
)
from tuneline.release.version import check_domain
from tuneline.store import digest_of


class Registry(RegistryReader):
    """Registers, promotes, tests and rolls back; each change is one event of the ledger."""

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
        card: str = "",
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
            is_major: Make the release a major one; it is where base model, chat template or labels
                differ from the last release's.
            card: Model card, Markdown; stored as `README.md` among the files.
        """
        check_domain(domain)
        number = registration.add_version(
            self.client, domain, adapter, candidate, lineage, run_id, description, card
        )
        source = str(self.client.get_model_version(domain, number).source)
        stored = artifacts.read_lineage(self.uri, source)
        key, digest = f"register:{candidate}", digest_of(stored)
        event = Event("register", domain, actor, "", key, number, evidence=digest)
        plan = registration.plan_release(self.client, self.uri, stored, day, is_major)
        written = self._write(event, plan)
        version = self.find(domain, str(written.to_version))
        logs.bind(release=version.release)
        return version

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
        forced: str = "",
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
            forced: Checks of the gate that are overruled, by name.

        Raises:
            RegistryError: Another writer moved the champion since then, the version is champion
                already, or its files are gone.
        """
        number = self.state(domain).resolve(name)
        key = key or uuid.uuid4().hex
        event = Event(
            "promote", domain, actor, reason, key, number, evidence=evidence, forced=forced
        )
        return self._write(event, plan_promotion, expected_head)

    def approve(
        self, domain: str, name: str, *, actor: str, reason: str, evidence: str,
        key: str | None = None,
    ) -> Event:  # fmt: skip
        """Record that a person approves a version; arguments as for `promote`."""
        number = self.state(domain).resolve(name)
        key = key or uuid.uuid4().hex
        event = Event("approve", domain, actor, reason, key, number, evidence=evidence)
        return self._write(event, plan_refusal)

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

        Its files are verified first: nobody looks at a rollback at night twice.

        Raises:
            RegistryError: There is none, its files are gone or damaged, or another writer moved the
                champion.
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
        """Log files that were made of a version, such as a quantized model; returns their URI."""
        return attachments.attach(self.client, version, name, folder)

    def annotate(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version that people read in MLflow's UI; nothing is decided by them."""
        for tag, value in tags.items():
            self.client.set_model_version_tag(version.domain, version.number, tag, value)

    def append(self, event: Event) -> Event:
        """Write one event if `event.follows` is still the head.

        Raises:
            OvertakenError: Another writer was first; the message says who.
        """
        return chain.append(self.client, event)

    def reconcile(self, domain: str, *, actor: str, reason: str) -> Event | None:
        """Undo what was changed by hand, and record it; None where nothing was."""
        state = self.state(domain)
        wrong = mirroring.find_differences(self.client, domain, state)
        if not (changed := "; ".join(str(found) for found in wrong if found.is_by_hand)):
            return None
        key = uuid.uuid4().hex
        event = Event("reconcile", domain, actor, f"{reason}: {changed}", key)
        written = self._write(event, plan_reconciliation)
        mirroring.mend(self.client, domain, by_hand=True)
        return written

    def _write(self, event: Event, plan: Plan, expected_head: int | None = None) -> Event:
        """Append an event once per key, then mend."""

        def check(state: LedgerState, planned: Event) -> None:
            if planned.moves_champion or planned.kind == "ab_start":
                version = read_version(self.client, event.domain, state, str(planned.to_version))
                if planned.kind == "rollback":
                    verification.verify(self.uri, version, state)
                else:
                    artifacts.check_files(self.uri, version)

        written = chain.write(self.client, event, plan, check, expected_head)
        self.mend(event.domain)
        return written
