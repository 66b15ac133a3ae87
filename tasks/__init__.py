"""Tasks: where a step crosses a border: disk, GPU, network, MLflow."""

from tuneline import logs

if logs.is_json():
    logs.write_json()
