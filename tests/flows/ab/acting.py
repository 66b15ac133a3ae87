"""What the tests of A/B tests do: call the command, begin a test, make outcomes."""

import json
from datetime import datetime

import numpy as np
from typer.testing import CliRunner

from flows.cli import app
from tuneline import tracking
from tuneline.registry import Registry
from tuneline.release.ab.assignment import assign
from tuneline.release.ab.config import ABTestConfig

RULES = ("p95_latency_s<=1.0", "error_rate<=0.02")


def tuneline(*words):
    result = CliRunner().invoke(app, ["ab", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def begin(domain, *more):
    guardrails = [word for rule in RULES for word in ("--guardrail", rule)]
    words = ["--split", "50/50", "--metric", "thumbs_up", "--min-effect", "0.1"]
    assert tuneline("start", domain, *words, *guardrails, *more).exit_code == 0
    return Registry(tracking.tracking_uri()).state(domain).running_test


def outcomes(test, n_users=800, gain=0.3):
    """Answers since the start of the test, two per user."""
    config, rng = ABTestConfig.model_validate_json(test.start.plan), np.random.default_rng(0)
    at = datetime.fromisoformat(test.start.at).isoformat()
    for number in range(2 * n_users):
        user = f"用户{number // 2}"
        rate = 0.4 + gain * (assign(config.salt, config.challenger_share, user) == "challenger")
        yield {
            "request_id": f"{test.name}-{number}",
            "user_id": user,
            "time": at,
            "thumbs_up": bool(rng.random() < rate),
            "latency_s": 0.4,
            "error": 0,
        }


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)
