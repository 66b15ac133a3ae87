"""The picture of a search shows what can be shown, however little that is."""

from pathlib import Path

import pytest

from tuneline.search.picture import draw_search
from tuneline.search.results import SearchReport, TrialResult

RATE = {"learning_rate": 1e-4, "rank": 8}


@pytest.mark.parametrize(
    ("trials", "panels"),
    [
        ((), 1),
        ((TrialResult(0, "running", None, RATE, 0),), 1),
        ((TrialResult(0, "complete", 0.5, RATE, 9),), 1),
        (
            (
                TrialResult(0, "complete", 0.5, RATE, 9),
                TrialResult(1, "stopped", 0.7, {"learning_rate": 1e-2, "rank": 8}, 3),
                TrialResult(
                    2, "failed", None, {"learning_rate": 1.0, "rank": 64}, 1, "MemoryError"
                ),
            ),
            2,  # rank did not vary among what was measured
        ),
    ],
)
def test_there_is_a_panel_for_the_history_and_one_for_each_setting_that_varied(
    trials, panels: int, tmp_path: Path
):
    from PIL import Image

    draw_search(SearchReport("lawyer", 3, trials), tmp_path / "search.png")
    with Image.open(tmp_path / "search.png") as picture:
        assert round(picture.width / picture.height) == panels
