"""The MLflow model registry: versions of each domain's adapter, and the ledger of its releases.

A domain is one registered model. Its ledger is a second one, `<domain>-ledger`, whose versions are
the events (`entries.py` says why). Release tags and aliases only mirror the ledger.

- `registry.py`: what changes it; `reader.py`: what it says.
- `chain.py`: events read and written, compare-and-swap.
- `mirroring.py`: tags and aliases held against the ledger.
- `versions.py`: what MLflow keeps of a version.
- `artifacts.py`: files of a version, with SHA-256.
- `verification.py`: files and lineage held against what was registered.
- `audit.py`: everything held against the ledger.
- `registration.py`: an adapter becomes a version with a release name.
- `attachments.py`: files made of a version later, such as quantized models.
"""

from tuneline.registry.artifacts import LINEAGE
from tuneline.registry.registry import Registry
from tuneline.registry.versions import Version

__all__ = ["LINEAGE", "Registry", "Version"]
