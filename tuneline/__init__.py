"""Tuneline: a retraining line for domain language models."""

import os

__version__ = "0.1.0"

# Read by OpenMP, tokenizers, Prefect and MLflow when they are imported, so set here.
# Passive waiting: two spinning threads beside one busy process are 5-10 times slower than one.
for _name, _value in {
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "TOKENIZERS_PARALLELISM": "false",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(_name, _value)
