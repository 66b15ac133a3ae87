"""What hooks are told."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Change:
    """Another release is in service."""

    id: str
    """Unique for the change and the same in every try: `lawyer-17`."""
    kind: str
    """promote, rollback or ab_end."""
    domain: str
    release: str
    version: str
    """In the MLflow registry; `models:/<domain>/<version>` never changes what it names."""
    previous: str | None
    """Release that served before; None for the first one."""
    source: str
    """URI of the files."""
    at: str
    """ISO 8601 in UTC."""
    actor: str
    reason: str

    @property
    def body(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @property
    def variables(self) -> dict[str, str]:
        """As environment variables: `TUNELINE_RELEASE`, ..."""
        return {f"TUNELINE_{name.upper()}": str(v or "") for name, v in asdict(self).items()}
