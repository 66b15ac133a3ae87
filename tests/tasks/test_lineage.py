"""What a release says that its training took."""

from tasks.lineage import spent
from tests.conftest import TRAINING
from tuneline.profile import load_profile
from tuneline.reports import TrainingReport

REPORT = TrainingReport(10, 32, 100, 5400.0, 1.0, (), (), "cpu", rungs=("batch_size 4 -> 2",))


def test_money_is_time_by_the_profiles_price():
    settings = load_profile("smoke", {"training.price_per_hour": 2.5})
    assert spent(REPORT, settings) == {
        "train_s": "5400.0",
        "rungs": ("batch_size 4 -> 2",),
        "cost": "3.75",
    }


def test_without_a_price_there_is_no_cost():
    assert TRAINING.price_per_hour is None
    assert "cost" not in spent(REPORT, load_profile("smoke"))
