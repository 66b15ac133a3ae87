"""All hooks of a profile, one after the other."""

import logging
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from tuneline.hooks import command, webhook
from tuneline.hooks.change import Change
from tuneline.hooks.config import HooksConfig
from tuneline.hooks.webhook import HookError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class HookResult:
    """What became of one hook."""

    hook: str
    """Its address or command line."""
    is_done: bool
    said: str
    """The answer, or what went wrong."""
    wall_s: float


def run_hooks(config: HooksConfig, change: Change) -> list[HookResult]:
    """Call every hook; a failure is reported, stops no other hook and undoes nothing."""
    return [_run(name, call) for name, call in _calls(config, change)]


def _calls(config: HooksConfig, change: Change) -> Iterator[tuple[str, Callable[[], str]]]:
    for hook in config.webhooks:
        yield hook.url, partial(webhook.call, hook, change)
    for program in config.commands:
        yield shlex.join(program.argv), partial(command.call, program, change)


def _run(name: str, call: Callable[[], str]) -> HookResult:
    started = time.monotonic()
    try:
        said, is_done = call(), True
    except HookError as error:
        said, is_done = str(error), False
        log.warning("hooks: %s failed, the change stands: %s", name, error)
    return HookResult(name, is_done, said, time.monotonic() - started)
