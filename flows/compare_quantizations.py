"""A registered release -> its quantized variants side by side, and the chosen ones logged."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prefect import flow

from tasks import base_model, quantization, training
from tasks import replay as replaying
from tasks.release import fetch_adapter
from tasks.variants import check
from tuneline.registry import Version
from tuneline.reports import QuantizationReport

if TYPE_CHECKING:
    from rich.console import Console

STAGES = {"base model": 2.0, "prepare data": 8.0, "merge": 15.0}
"""First stages in their order and how long they take by comparison."""


@dataclass(frozen=True, slots=True)
class ComparedRelease:
    """The variants of one release."""

    version: Version
    report: QuantizationReport
    folder: str
    """Holds `report.json` and `pareto.png`."""
    attached: Mapping[str, str]
    """Recommended variant -> URI of its files in MLflow."""


@flow(name="compare quantizations", flow_run_name="compare quantizations of {domain} {release}")
def compare_quantizations(
    domain: str,
    release: str = "champion",
    variants: Sequence[str] | None = None,
    overrides: dict[str, Any] | None = None,
) -> ComparedRelease:
    """Quantize a release in every way, measure, recommend, and log what is recommended with it.

    Args:
        domain: Such as `lawyer`.
        release: Release name, version number, `champion` or `challenger`.
        variants: Such as `["int8", "gguf-q4_k_m"]`; default: those of the release's profile.
        overrides: Settings of its profile to change, such as `{"quantization.max_prompts": 200}`.
    """
    recorded = replaying.find(domain, release)
    chosen = {"quantization.variants": list(variants)} if variants else {}
    settings = replaying.settings_of(recorded, {**(overrides or {}), **chosen})
    check(settings)
    base = base_model.get(settings.base_model)
    splits = replaying.find_data(settings, recorded, False)
    adapter = fetch_adapter(recorded.version)
    merged = training.merged_model(recorded.version.release, base, adapter, splits)
    compared = quantization.compare_quantizations(merged, settings, splits)
    attached = quantization.attach_recommended(recorded.version, compared)
    return ComparedRelease(recorded.version, compared.report, str(compared.folder), attached)


def print_comparison(compared: ComparedRelease, console: "Console") -> None:
    """Print tables, verdicts, recommendations, and where the files are."""
    from flows.summary import print_quantizations

    print_quantizations(compared.report, console)
    for variant, uri in compared.attached.items():
        console.print(
            f"{variant}: {uri}, tag attached.{variant} of {compared.version.release}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
    console.print(f"Report and picture: {compared.folder}", markup=False, soft_wrap=True)
