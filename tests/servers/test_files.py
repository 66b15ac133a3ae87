"""What cannot be run without Docker is parsed and held against what it names."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
COMPOSE = ROOT / "mlflow" / "compose.yaml"
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())


def test_no_service_of_compose_starts_without_passwords_and_the_readme_sets_each():
    asked = set(re.findall(r"\$\{(\w+):\?", COMPOSE.read_text()))
    assert asked == set(re.findall(r"\$\{(\w+)", COMPOSE.read_text())), "no default for a password"
    loop = re.search(r"for name in (.*); do", (ROOT / "mlflow" / "README.md").read_text())
    assert loop is not None
    assert asked == set(loop[1].split())


def test_services_of_compose_are_checked_for_health_and_listen_on_this_machine_only():
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    assert {name for name in services if "healthcheck" not in services[name]} == {"bucket"}
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports == ["127.0.0.1:5000:5000"]


def test_mlflow_of_compose_asks_for_passwords():
    start = (ROOT / "mlflow" / "start.sh").read_text()
    assert "--app-name basic-auth" in start
    assert "umask 077" in start


@pytest.mark.parametrize("script", ["start.sh", "backup.sh"])
def test_shell_scripts_parse(script):
    subprocess.run(["sh", "-n", str(ROOT / "mlflow" / script)], check=True)


def test_the_mlflow_image_has_the_tested_versions():
    installed = re.findall(
        r'"([\w-]+)(?:\[\w+\])?==([\d.]+)"', (ROOT / "mlflow" / "Dockerfile").read_text()
    )
    assert [name for name, _ in installed] == ["mlflow", "psycopg", "boto3"]
    assert {name: PINS[name] for name, _ in installed} == dict(installed)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_worker_images_copy_what_is_there_and_install_from_the_lock(kind):
    text = (ROOT / "docker" / f"Dockerfile.{kind}").read_text()
    copied = [n for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for n in line.split()]
    assert {"constraints.txt", "tuneline", "tasks", "flows", "profiles"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    for command in re.findall(r"pip install[^&\n]*", text):
        assert "-c constraints.txt" in command
    assert re.search(r"^USER tuneline$", text, re.M), "workers are not root"


@pytest.mark.parametrize("page", ["kubernetes", "docker", "servers"])
def test_yaml_in_the_how_to_parses(page):
    text = (ROOT / "docs" / "how-to" / f"{page}.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, re.S)
    manifests = [yaml.safe_load(block) for block in blocks]
    assert all({"apiVersion", "kind", "metadata", "spec"} <= set(found) for found in manifests)
