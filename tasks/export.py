"""A registered release as a folder that a server loads."""

import shutil
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import base_model, training, variants
from tasks import replay as replaying
from tasks.release import fetch_adapter
from tasks.replay import Recorded
from tasks.stage import store
from tuneline import tracking
from tuneline.bundle import write_bundle
from tuneline.errors import RegistryError
from tuneline.generation import ModelArtifact
from tuneline.quantization.method import REFERENCE
from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.registry import Registry
from tuneline.training.saving import ADAPTER_CONFIG

ADAPTER, MERGED = "adapter", "merged"
FORMATS = (ADAPTER, MERGED, *(name for name in QUANTIZATIONS if name != REFERENCE))


def check(form: str) -> None:
    """Fail before any work where a format is unknown, or what writes it is not installed.

    Raises:
        RegistryError: There is no such format.
        QuantizationError: Says what would install it.
    """
    if form not in FORMATS:
        raise RegistryError(f"'{form}' is no format; there are {', '.join(FORMATS)}")
    if form in QUANTIZATIONS:
        QUANTIZATIONS[form].check_installed(form)


@task(name="write export", task_run_name="write {form}", cache_policy=NO_CACHE)
def write(recorded: Recorded, form: str, source: Path, out: Path) -> Path:
    """Copy the files to a folder that is named by release, format and content."""
    version, lineage = recorded.version, recorded.lineage
    about = {
        "release": version.release,
        "domain": version.domain,
        "version": version.number,
        "format": form,
        "model": f"models:/{version.domain}/{version.number}",
        "base_model": lineage["base_model"],
        "base_model_revision": lineage["base_model_revision"],
        "evidence": version.evidence,
    }
    return write_bundle(out.absolute(), f"{version.release}-{form}", source, about)


def source_of(recorded: Recorded, form: str) -> Path:
    """Folder with the files of a format: those that were measured where they are kept, else made.

    Raises:
        RegistryError: The release has no adapter, or files that it needs are gone.
    """
    if form == ADAPTER:
        return _adapter(recorded)
    if (kept := _attached(recorded, form)) is not None:
        return kept
    merged = _merged(recorded)
    if form == MERGED:
        return merged.folder
    settings = replaying.settings_of(recorded, {"quantization.variants": [form]})
    splits = replaying.find_data(settings, recorded, False)
    return variants.make_all(merged, settings, splits)[form].folder


def _adapter(recorded: Recorded) -> Path:
    registered = fetch_adapter(recorded.version)
    if not (registered / ADAPTER_CONFIG).is_file():
        raise RegistryError(
            f"{recorded.version.release} was trained without an adapter; export it as {MERGED}"
        )
    output = store().build(
        "adapter_export",
        {"files": recorded.lineage["files"]},
        lambda out: _copy(registered, out, list(recorded.lineage["files"])),
    )
    return output.path


def _copy(source: Path, out: Path, names: list[str]) -> None:
    for name in names:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)


def _attached(recorded: Recorded, form: str) -> Path | None:
    """What a comparison logged with the release, verified; None where it logged no such variant."""
    registry, version = Registry(tracking.tracking_uri()), recorded.version
    tags = registry.client.get_model_version(version.domain, version.number).tags
    if f"attached.{form}" not in tags:
        return None
    return registry.attached(version, form, store().root / "downloads")


def _merged(recorded: Recorded) -> ModelArtifact:
    settings = replaying.settings_of(recorded, {})
    base = base_model.get(settings.base_model)
    splits = replaying.in_store(recorded.lineage["data_digest"])
    adapter = fetch_adapter(recorded.version)
    return training.merged_model(recorded.version.release, base, adapter, splits)
