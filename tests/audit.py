"""Known weaknesses of the pinned packages by pip-audit; "not checked" where its service is away.

    python -m tests.audit

The exit code is 1 for a weakness that has a mended version, and for an answer nobody can read. A
service that cannot be reached is no pass: the last line says that nothing was checked.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PINS = Path(__file__).parent.parent / "constraints.txt"
NO_NETWORK = (
    "ConnectionError",
    "Max retries exceeded",
    "ServiceError",
    "timed out",
    "ConnectError",
)
TIMEOUT_S = 15


def audit(pins: Path) -> tuple[int, list[str]]:
    """Exit code, and what to print."""
    options = ["--format", "json", "--progress-spinner", "off", "--timeout", str(TIMEOUT_S)]
    command = [sys.executable, "-m", "pip_audit", "-r", str(pins), "--no-deps", "--disable-pip"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return unreadable(done.stderr)
    return summary(found)


def unreadable(stderr: str) -> tuple[int, list[str]]:
    """Not checked where the service is away; an error otherwise."""
    last = (stderr.strip() or "no output").splitlines()[-1]
    if any(sign in stderr for sign in NO_NETWORK):
        return 0, [f"pip-audit: not checked, the advisory service cannot be reached ({last[:120]})"]
    return 1, [f"pip-audit: not checked: {last}"]


def summary(dependencies: list[dict[str, Any]]) -> tuple[int, list[str]]:
    """One line a weakness, then the count; only what can be mended fails."""
    lines, n_mendable, skipped = [], 0, [d for d in dependencies if "skip_reason" in d]
    for package in dependencies:
        for weakness in package.get("vulns", []):
            mended = ", ".join(weakness["fix_versions"])
            n_mendable += bool(mended)
            way_out = f"mended in {mended}" if mended else "not mended yet"
            lines.append(f"{package['name']} {package['version']}: {weakness['id']}, {way_out}")
    n_checked = len(dependencies) - len(skipped)
    if not n_checked:
        reason = skipped[0]["skip_reason"] if skipped else "no package was named"
        return 0, [f"pip-audit: not checked, the advisory service knows no package ({reason})"]
    lines.append(f"pip-audit: {n_checked} packages checked, {n_mendable} to be raised")
    return int(n_mendable > 0), lines


if __name__ == "__main__":
    code, lines = audit(PINS)
    print("\n".join(lines))
    sys.exit(code)
