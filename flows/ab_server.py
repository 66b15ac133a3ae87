"""A small HTTP service beside a domain's model: who sees which variant, and what came of it."""

import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tuneline.errors import ABTestError, TunelineError
from tuneline.registry import Registry
from tuneline.release.ab.assignment import assign
from tuneline.release.ab.config import ABTestConfig
from tuneline.release.ab.outcome_log import OutcomeLog
from tuneline.release.ab.outcomes import MAX_ID_CHARS, parse_rows, split_rows
from tuneline.release.ledger import LedgerState

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

log = logging.getLogger(__name__)

REFRESH_S = 5.0
"""Between two reads of the ledger: for so long a new test or its end may go unnoticed."""
MAX_BODY_BYTES = 4 * 2**20
MAX_ROWS = 10_000
"""Of one message."""


class Assigner:
    """Variant of each user by the ledger; where MLflow does not answer, by its last known state."""

    def __init__(self, registry: Registry, domain: str) -> None:
        self.registry, self.domain = registry, domain
        self.state: LedgerState = registry.state(domain)

    def refresh(self) -> None:
        """Read the ledger again."""
        from mlflow.exceptions import MlflowException

        try:
            self.state = self.registry.state(self.domain)
        except (MlflowException, TunelineError) as error:
            log.warning("ab: domain=%s keeps the last known state: %s", self.domain, error)

    def keep_fresh(self) -> None:
        """Read the ledger every few seconds, for ever."""
        while True:
            time.sleep(REFRESH_S)
            self.refresh()

    def assign(self, user: str) -> dict[str, Any]:
        """Variant, version and release for a user; the champion where no test runs."""
        state = self.state
        test, variant, number = state.running_test, "champion", state.champion
        if test:
            config = ABTestConfig.model_validate_json(test.start.plan)
            variant = assign(config.salt, config.challenger_share, user)
            number = test.start.to_version if variant == "challenger" else test.start.from_version
        release = state.releases().get(str(number))
        name = test.name if test else None
        return {"test": name, "variant": variant, "version": number, "release": release}

    def test(self) -> dict[str, Any]:
        """What another service needs to assign users itself."""
        test = self.state.running_test
        if test is None:
            return {"test": None}
        config = ABTestConfig.model_validate_json(test.start.plan)
        share = {"salt": config.salt, "challenger_share": config.challenger_share}
        return {"test": test.name, "started": test.start.at, **share}


def build_app(assigner: Assigner, outcomes: OutcomeLog) -> "FastAPI":
    """The service: POST /outcomes, GET /assign?user=, GET /test, GET /health."""
    from fastapi import FastAPI, Query, Request
    from fastapi.responses import JSONResponse
    from starlette.concurrency import run_in_threadpool

    app = FastAPI(title=f"Tuneline A/B test of {assigner.domain}", docs_url="/")

    @app.get("/assign")
    def assign_user(user: str = Query(min_length=1, max_length=MAX_ID_CHARS)) -> dict[str, Any]:
        """Which variant a user sees; the same one for as long as the test runs."""
        return assigner.assign(user)

    @app.get("/test")
    def running_test() -> dict[str, Any]:
        """Salt and share of the running test."""
        return assigner.test()

    @app.get("/health")
    def health() -> dict[str, str]:
        """Answers while the service does."""
        return {"domain": assigner.domain}

    @app.post("/outcomes")
    async def post_outcomes(request: Request) -> JSONResponse:
        """Record outcomes: one JSON object, a JSON list, or one object a line.

        They are on disk before the answer. Sending a message again records nothing twice. Rows
        that are no outcomes are told with status 422; the others of the message are recorded.
        """
        body = await _body(request)
        if body is None:
            told = {"error": f"more than {MAX_BODY_BYTES} bytes; send less at a time"}
            return JSONResponse(told, status_code=413)
        status, answer = await run_in_threadpool(take, body, outcomes)
        return JSONResponse(answer, status_code=status)

    return app


async def _body(request: "Request") -> bytes | None:
    """The message, or None as soon as it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            return None
    return bytes(body)


def take(body: bytes, outcomes: OutcomeLog) -> tuple[int, dict[str, Any]]:
    """Record the rows of one message; returns HTTP status and answer."""
    raw = _rows_of(body)
    if not 0 < len(raw) <= MAX_ROWS:
        return 422, {"error": f"{len(raw)} outcomes in a message; send 1 to {MAX_ROWS}"}
    rows, bad = split_rows(parse_rows((str(n), row) for n, row in enumerate(raw, start=1)))
    done = outcomes.append(rows)
    told = [{"row": int(row.place), "reason": row.reason} for row in bad]
    return 422 if bad else 200, {**done._asdict(), "bad": told}


def _rows_of(body: bytes) -> Sequence[Any]:
    """Rows of a JSON list, else one per line."""
    try:
        whole = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [line for line in body.split(b"\n") if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def serve(domain: str, host: str, port: int) -> None:
    """Serve until stopped.

    Raises:
        ABTestError: The domain has no champion yet.
    """
    import uvicorn

    from tasks.ab_test import outcome_log
    from tuneline.tracking import tracking_uri

    assigner = Assigner(Registry(tracking_uri()), domain)
    if assigner.state.champion is None:
        raise ABTestError(f"{domain} has no champion to serve; promote one first")
    threading.Thread(target=assigner.keep_fresh, daemon=True).start()
    uvicorn.run(build_app(assigner, outcome_log(domain)), host=host, port=port, log_level="warning")
