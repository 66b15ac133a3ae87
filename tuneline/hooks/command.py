"""One command, without a shell."""

import os
import subprocess

from tuneline.hooks.change import Change
from tuneline.hooks.config import CommandConfig
from tuneline.hooks.webhook import HookError

MAX_SHOWN = 200
"""Characters of the output that a report shows."""


def call(config: CommandConfig, change: Change) -> str:
    """Run the program with the change in variables and on standard input; returns what it said.

    Raises:
        HookError: It cannot be started, ran too long, or ended with another code than 0.
    """
    try:
        done = subprocess.run(
            config.argv,
            input=change.body,
            env=os.environ | change.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=config.timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HookError(f"killed after {config.timeout_s:g} s") from error
    except OSError as error:
        raise HookError(str(error)) from error
    said = done.stdout.decode(errors="replace").strip()[-MAX_SHOWN:]
    if done.returncode != 0:
        raise HookError(f"exit code {done.returncode}: {said}")
    return said or "exit code 0"
