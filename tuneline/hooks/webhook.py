"""One webhook, signed as the Standard Webhooks specification 1.0.0 says."""

import base64
import binascii
import hashlib
import hmac
import logging
import os
import time
from collections.abc import Mapping

import httpx

from tuneline.hooks.change import Change
from tuneline.hooks.config import WebhookConfig

log = logging.getLogger(__name__)

MAY_PASS = {408, 429}
"""Answers below 500 after which another try may help."""
PREFIX = "whsec_"


class HookError(Exception):
    """A hook failed; says how."""


def call(config: WebhookConfig, change: Change) -> str:
    """POST the change until somebody takes it; returns what was answered.

    Raises:
        HookError: There is no secret, the answer is final and not 2xx, or every try failed.
    """
    secret = os.environ.get(config.secret_env, "")
    if not secret:
        raise HookError(f"${config.secret_env} is not set, so nothing was sent")
    failure = ""
    for n in range(config.tries):
        if n:
            time.sleep(config.wait_s * 2 ** (n - 1))
        try:
            status = _post(config, change, secret)
        except httpx.HTTPError as error:
            failure = f"{type(error).__name__}: {error}"
        else:
            if 200 <= status < 300:
                return f"answered {status} at try {n + 1}"
            failure = f"answered {status}"
            if status < 500 and status not in MAY_PASS:
                raise HookError(failure)
        log.info("hooks: %s try=%d %s", config.url, n + 1, failure)
    raise HookError(f"{failure} ({config.tries} tries)")


def headers(secret: str, message_id: str, timestamp: int, body: bytes) -> Mapping[str, str]:
    """The three headers that name and sign a message.

    Args:
        secret: `whsec_` and base64, or any text.
        message_id: The same in every try; the receiver takes a message once.
        timestamp: Seconds since 1970; receivers refuse old ones.
        body: What is sent.
    """
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def _post(config: WebhookConfig, change: Change, secret: str) -> int:
    signed = headers(secret, change.id, int(time.time()), change.body)
    sent = {**signed, "content-type": "application/json"}
    return httpx.post(
        config.url, content=change.body, headers=sent, timeout=config.timeout_s
    ).status_code


def _key(secret: str) -> bytes:
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise HookError(f"the secret begins with {PREFIX} and goes on with no base64") from error
