"""The documentation names what there is."""

import re
from pathlib import Path

from tuneline.training.methods import METHODS
from tuneline.training.objectives import OBJECTIVES

ROOT = Path(__file__).parents[2]


def test_every_method_and_objective_has_its_row():
    text = (ROOT / "docs/training-methods.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert rows == [*METHODS, *OBJECTIVES]
