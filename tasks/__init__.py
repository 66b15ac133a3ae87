"""Tasks: where a step crosses a border: disk, GPU, network, MLflow."""
