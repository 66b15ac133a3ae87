"""A registered release -> a folder that transformers, vLLM or llama.cpp serves."""

from pathlib import Path

from prefect import flow

from flows.one_sentence import fails_in_one_sentence
from tasks import export as exporting
from tasks import replay as replaying

STAGES = {"base model": 2.0, "merge": 15.0}
"""First stages in their order and how long they take by comparison."""


@flow(name="export", flow_run_name="export {domain} {release} as {form}")
@fails_in_one_sentence
def export(domain: str, release: str, form: str, out: str) -> str:
    """Write a release in one format; returns the folder, which is named by its content.

    Args:
        domain: Such as `lawyer`.
        release: Release name, version number, `champion` or `challenger`.
        form: adapter, merged, or a name of `QUANTIZATIONS` such as `gguf-q4_k_m`.
        out: Folder that the new folder is put into.
    """
    exporting.check(form)
    recorded = replaying.find(domain, release)
    source = exporting.source_of(recorded, form)
    return str(exporting.write(recorded, form, source, Path(out)))
