"""Facts about the tree that a wrong move would break silently."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
FLOWS = sorted(path.stem for path in (ROOT / "flows").glob("*.py") if path.stem != "__init__")
REQUIRED = {
    "promote": {"reason": "because"},
    "rollback": {"reason": "because"},
    "approve": {"release": "v1.0-lawyer-20250401"},
    "gpu": {"profile": "smoke", "call": "of another run"},
    "gpu-hotfix": {"profile": "smoke", "call": "of another run"},
}
"""What a person or a caller gives to a deployment's run."""
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def test_import_mlflow_from_the_root_is_the_installed_package():
    code = "import mlflow; print(mlflow.__file__, mlflow.__version__)"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "site-packages" in output
    assert importlib.metadata.version("mlflow") in output


def test_the_folder_mlflow_holds_no_python():
    assert not list((ROOT / "mlflow").rglob("*.py"))


@pytest.mark.parametrize("name", FLOWS)
def test_no_flow_file_hides_an_installed_package_or_the_standard_library(name: str):
    installed = set(importlib.metadata.packages_distributions())
    assert name not in installed | sys.stdlib_module_names


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_every_entrypoint_of_prefect_yaml_loads_and_takes_its_parameters(deployment, monkeypatch):
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT / "flows"), *sys.path])
    flow = load_flow_from_entrypoint(deployment["entrypoint"], use_placeholder_flow=False)
    required = REQUIRED.get(deployment["name"], {})
    validated = flow.validate_parameters({**deployment["parameters"], **required})
    assert deployment["parameters"].items() <= validated.items()


@pytest.mark.parametrize("entrypoint", sorted({d["entrypoint"] for d in DEPLOYMENTS}))
def test_every_field_of_the_run_form_is_described(entrypoint, monkeypatch):
    from prefect.flows import load_flow_from_entrypoint

    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "path", [str(ROOT / "flows"), *sys.path])
    flow = load_flow_from_entrypoint(entrypoint, use_placeholder_flow=False)
    fields = flow.parameters.properties
    assert [name for name, field in fields.items() if not field.get("description")] == []
    assert flow.description


def test_every_deployment_that_is_called_exists():
    names = {d["name"] for d in DEPLOYMENTS if d["entrypoint"] == "flows/gpu_part.py:gpu_part"}
    called = {d["parameters"].get("gpu_deployment") for d in DEPLOYMENTS} - {None}
    assert called == {f"gpu-part/{name}" for name in names}


@pytest.mark.parametrize(
    "verb",
    [
        "retrain",
        "fetch",
        "check",
        "preflight",
        "recommend",
        "search",
        "replay",
        "review",
        "compare-quantizations",
        "promote",
        "rollback",
        "approve",
        "refuse",
        "drill",
        "export",
        "diff",
        "explain",
        "set-up",
        "signal",
        "clean-up",
        "status",
        "history",
        "ui",
    ],
)
def test_help_imports_nothing_heavy(verb: str):
    code = (
        "import sys; sys.argv = ['tuneline', sys.argv[1], '--help']\n"
        "from flows.cli import app\n"
        "try: app()\n"
        "except SystemExit as done: assert done.code == 0\n"
        "heavy = {'torch', 'transformers', 'prefect', 'mlflow', 'polars', 'scipy', 'numba'}\n"
        "heavy |= {'optuna'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    output = subprocess.run(
        [sys.executable, "-c", code, verb], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "Usage" in output


def test_a_profile_that_ships_loads():
    from tuneline.profile import load_profile

    names = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))
    assert names == ["demo", "lawyer", "smoke"]
    assert [load_profile(str(ROOT / "profiles" / f"{n}.yaml")).domain for n in names] == [
        "lawyer",
        "lawyer",
        "smoke",
    ]


def test_the_example_script_writes_the_committed_clauses(tmp_path: Path):
    script = ROOT / "examples" / "lawyer" / "make_loan_clauses.py"
    out = tmp_path / "clauses.jsonl"
    subprocess.run([sys.executable, str(script), "--out", str(out)], check=True)
    assert out.read_bytes() == (script.parent / "loan_clauses.jsonl").read_bytes()
