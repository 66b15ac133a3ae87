"""Who is told when the champion changes, so that servers reload: webhooks and commands.

- `config.py`: settings of a profile's `hooks`.
- `change.py`: what is told.
- `webhook.py`: a signed POST, tried again.
- `command.py`: a program without a shell.
- `running.py`: all hooks one after the other; what became of each.
"""

from tuneline.hooks.change import Change
from tuneline.hooks.config import HooksConfig
from tuneline.hooks.running import HookResult, run_hooks

__all__ = ["Change", "HookResult", "HooksConfig", "run_hooks"]
