"""The watchdog names what experienced eyes see in a loss curve, and never stops a healthy run."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.training.divergence import GUESS_LOSS, Verdict, is_in_doubt
from tuneline.training.history import Point, points, thin
from tuneline.training.watchdog import judge

NAN, INF = math.nan, math.inf
QUICK = [1.57, 0.39, 0.08, 0.17, 0.10, 0.05]
TWO_SOURCES = [1.62, 0.71, 0.66, 0.12, 0.58, 0.05, 0.66, 0.09, 0.51, 0.05, 0.62, 0.06]


def run(losses, norms=None, validation=None) -> list[Point]:
    """A history with a loss per step, and validation losses by their step."""
    norms, validation, history = norms or [1.0] * len(losses), validation or {}, []
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), 1):
        history.append(Point(step, loss, norm))
        if step in validation:
            history.append(Point(step, eval_loss=validation[step]))
    return history


def first_stop(history: list[Point], **known: object) -> tuple[int, Verdict] | None:
    """Step and verdict at which a run that is judged after every entry stops."""
    for n in range(1, len(history) + 1):
        verdict = judge(history[:n], **known)
        if verdict.should_stop:
            return history[n - 1].step, verdict
    return None


def noisy(level: float, n: int, noise: float = 0.3) -> list[float]:
    """Losses around a level, as batches of 4 give them."""
    rng = random.Random(0)
    return [level * (1 + rng.uniform(-noise, noise)) for _ in range(n)]


@pytest.mark.parametrize("losses", [QUICK, TWO_SOURCES, TWO_SOURCES[:1] + TWO_SOURCES[2:] * 4])
def test_short_noisy_runs_are_healthy(losses: list[float]):
    history = run(losses)
    assert first_stop(history) is None
    assert judge(history).pattern == "healthy"
    assert not is_in_doubt(history)


def test_the_sentence_of_a_healthy_run_has_its_losses():
    # By hand: it begins at 1.57; the median of the last three, 0.17, 0.10, 0.05, is 0.10.
    assert judge(run(QUICK)) == Verdict("healthy", "the loss fell from 1.57 to 0.10")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_a_run_of_fewer_than_three_steps_is_not_judged(n: int):
    assert "too few steps" in judge(run([2.0] * n)).sentence


def test_a_harder_source_that_begins_late_is_no_divergence():
    """Batches grouped by length can be of one source for dozens of steps."""
    history = run(noisy(0.4, 25) + noisy(3.5, 25) + noisy(0.3, 25) + noisy(2.8, 25))
    assert first_stop(history) is None


def test_one_broken_record_does_not_stop_a_run_but_checkpoints_wait_for_four_steps():
    history = run([*noisy(1.5, 30), 14.0, *noisy(1.5, 6)])
    assert first_stop(history) is None
    doubts = [is_in_doubt(history[:n]) for n in range(1, len(history) + 1)]
    assert [n + 1 for n, doubt in enumerate(doubts) if doubt] == [31, 32, 33, 34]


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("name", ["loss", "grad_norm", "eval_loss"])
def test_a_value_that_is_not_finite_stops_the_run_at_its_step(name: str, value: float):
    broken = {"loss": 0.5, "grad_norm": 1.0} | {name: value}
    stop = first_stop([*run(QUICK), Point(7, **broken), Point(8, 0.5, 1.0)])
    assert stop is not None
    step, verdict = stop
    assert (step, verdict.pattern) == (7, "diverging")
    assert f"is {'infinite' if value == INF else 'NaN'} at step 7" in verdict.sentence
    assert "divide training.learning_rate by 3" in verdict.advice


def test_what_is_broken_from_the_first_step_is_not_blamed_on_the_learning_rate():
    verdict = judge(run([NAN]))
    assert verdict.should_stop
    assert verdict.advice.startswith("nothing was learned before it")


def test_a_stopped_run_stays_stopped_whatever_is_logged_after():
    assert judge([*run(QUICK), Point(7, NAN, NAN), *run(QUICK)]).should_stop


def test_the_overflows_of_float16_are_skipped_steps_until_there_are_twenty_in_a_row():
    history = run([2.0] * 22, [INF, INF, *[NAN] * 20])
    assert first_stop(history[:19], scales_loss=True) is None
    stop = first_stop(history, scales_loss=True)
    assert stop is not None and stop[0] == 20
    assert first_stop(history) == (1, judge(history[:1])), "in bfloat16 the first one is the end"


def test_two_jumps_stop_the_run_at_the_second():
    stop = first_stop(run([*noisy(1.2, 20), 7.5, 8.1, 8.0]))
    assert stop is not None
    step, verdict = stop
    assert step == 22, "one logging interval after the first"
    assert "jumped to 7.50 at step 21 and is 8.10 at step 22" in verdict.sentence


def test_a_loss_that_swings_up_and_down_stops_too():
    stop = first_stop(run([*noisy(1.2, 20), 30.0, 1.5, 40.0]))
    assert stop is not None and stop[0] == 23


def test_a_small_vocabulary_has_a_lower_limit():
    losses = [*noisy(1.2, 20), 4.0, 4.0]
    assert first_stop(run(losses)) is None
    # 60 % of ln 300 is 3.42.
    stop = first_stop(run(losses), guess_loss=math.log(300))
    assert stop is not None and stop[0] == 22


def test_a_gradient_that_explodes_stops_the_run():
    stop = first_stop(run(noisy(1.2, 21), [*noisy(1.0, 20), 2e4]))
    assert stop is not None and stop[0] == 21
    assert "gradient norm is 20,000 at step 21" in stop[1].sentence
    growing = first_stop(run(noisy(1.2, 24), [*noisy(1.0, 20), 150, 300, 500, 700]))
    assert growing is not None and growing[0] == 23, "three times above 100"


def test_a_model_that_no_longer_responds_stops_the_run():
    stop = first_stop(run([5.7, 5.8, 5.64, 5.64, 5.64], [3.5, 9.4, 0.0, 0.0, 0.0]))
    assert stop is not None and stop[0] == 4
    assert "gradient is exactly 0 at steps 3 and 4" in stop[1].sentence


def test_nothing_left_to_learn_is_no_dead_model():
    history = run([0.5, 0.1, 0.0, 0.0, 0.0], [1.0, 0.5, 0.0, 0.0, 0.0])
    assert first_stop(history) is None
    assert not is_in_doubt(history)


def test_after_one_gradient_of_zero_a_checkpoint_waits():
    assert is_in_doubt(run([5.7, 5.8, 5.64], [3.5, 9.4, 0.0]))
    assert not is_in_doubt(run([5.7, 5.8, 5.64, 5.6], [3.5, 9.4, 0.0, 1.0]))


@pytest.mark.parametrize("level", [0.69, 2.0, 2.3, 2.5, 4.0])
def test_a_loss_that_stays_where_it_began_is_not_learning(level: float):
    verdict = judge(run(noisy(level, 60, noise=0.02)))
    assert (verdict.pattern, verdict.should_stop) == ("not learning", False)
    assert "learning_rate" in verdict.advice and "chat template" in verdict.advice


def test_between_two_and_two_and_a_half_a_fall_of_a_tenth_is_asked_for():
    fall = [2.4] * 20 + [2.25] * 20  # 6 %
    assert judge(run(fall)).pattern == "not learning"
    assert judge(run([x - 1 for x in fall])).pattern == "healthy"  # 11 %
    assert judge(run([2.4] * 20 + [2.1] * 20)).pattern == "healthy"  # 12.5 %


def test_a_flat_loss_is_not_called_so_while_the_learning_rate_warms_up():
    flat = run([2.3] * 30)
    assert judge(flat, done_fraction=0.1).pattern == "healthy"
    assert judge(flat, done_fraction=0.3).pattern == "not learning"
    assert judge(flat[:15], done_fraction=0.3).pattern == "healthy", "too few to say"
    assert judge(flat[:15]).pattern == "not learning", "but not once the run is over"


def test_a_quick_fall_and_a_long_floor_is_healthy():
    assert judge(run([2.6, 2.0, 1.7, *noisy(1.5, 300, noise=0.1)])).pattern == "healthy"
    assert judge(run([2.5, *noisy(1.5, 29, noise=0.02)])).pattern == "healthy"


def test_records_known_before_training_are_nothing_to_learn_and_no_fault():
    assert judge(run(noisy(0.05, 60))).pattern == "healthy"


def test_a_falling_validation_loss_is_learning():
    history = run(noisy(2.2, 60, noise=0.02), validation={20: 2.3, 40: 2.1, 60: 2.0})
    assert judge(history).pattern == "healthy"


def test_a_loss_that_creeps_up_is_named_but_does_not_stop_the_run():
    verdict = judge(run([0.5 + step / 50 for step in range(100)]))
    assert (verdict.pattern, verdict.should_stop) == ("diverging", False)
    # By hand: steps 1-20 are 0.50 to 0.88, median 0.69; steps 81-100 are 2.10 to 2.48.
    assert verdict.sentence == "the loss rose from 0.69 to 2.29"


FALLING = [2.0 * 0.9**step for step in range(40)]


def test_a_low_training_loss_and_a_rising_validation_loss_are_overfitting():
    verdict = judge(run(FALLING, validation={10: 0.9, 20: 0.6, 30: 0.7, 40: 0.8}))
    assert (verdict.pattern, verdict.should_stop) == ("overfitting", False)
    assert "rose from 0.60 at step 20 to 0.80 at step 40" in verdict.sentence
    for change in ("fewer epochs (step 20 was best", "dropout", "add data"):
        assert change in verdict.advice


@pytest.mark.parametrize(
    "validation",
    [
        {10: 0.9, 20: 0.7, 30: 0.6, 40: 0.55},  # falls
        {10: 0.9, 20: 0.6, 30: 0.61, 40: 0.605},  # stays
        {20: 0.6, 30: 0.9, 40: 0.7},  # rose and comes down again
        {40: 0.8},  # measured once
    ],
)
def test_a_validation_loss_that_does_not_rise_is_no_overfitting(validation: dict[int, float]):
    assert judge(run(FALLING, validation=validation)).pattern == "healthy"


def test_a_high_training_loss_is_no_overfitting():
    history = run([x + 0.4 for x in FALLING], validation={20: 0.6, 30: 0.7, 40: 0.8})
    assert judge(history).pattern == "healthy"


def test_the_log_of_a_trainer_becomes_points():
    log = [
        {"loss": 2.0, "grad_norm": 1.5, "learning_rate": 1e-4, "step": 1},
        {"eval_loss": 1.9, "eval_runtime": 3.0, "step": 1},
        {"train_runtime": 9.0, "train_loss": 2.0, "step": 1},
    ]
    assert points(log) == [Point(1, 2.0, 1.5), Point(1, eval_loss=1.9)]


# Up to 60 % of the loss of a blind guess.
healthy_losses = st.integers(0, 90).flatmap(
    lambda n: st.lists(st.floats(0, 0.6 * GUESS_LOSS), min_size=n, max_size=n)
)


@given(healthy_losses, st.data())
def test_no_losses_below_the_limit_ever_stop_a_run(losses: list[float], data: st.DataObject):
    n = len(losses)
    norms = data.draw(st.lists(st.floats(1e-6, 100), min_size=n, max_size=n))
    validation = data.draw(st.dictionaries(st.integers(1, 150), st.floats(0, 20)))
    history = run(losses, norms, validation)
    assert not judge(history).should_stop
    assert not is_in_doubt(history)


@given(healthy_losses.filter(bool), st.integers(0, 3), st.floats(1.01, 1e6))
def test_two_of_four_losses_above_twice_the_highest_always_stop_a_run(
    losses: list[float], n_between: int, factor: float
):
    jump = factor * max(2 * max(losses), 0.6 * GUESS_LOSS)
    jumped = [*losses, jump, *losses[-1:] * min(n_between, 2), jump]
    assert judge(run(jumped)).should_stop
    assert is_in_doubt(run(jumped))


@given(healthy_losses, st.integers(0, 149), st.sampled_from([NAN, INF, -INF]))
def test_a_loss_that_is_not_finite_always_stops_a_run(losses, at: int, value: float):
    losses.insert(at, value)
    verdict = judge(run(losses))
    assert (verdict.pattern, verdict.should_stop) == ("diverging", True)
    assert verdict.sentence and verdict.advice


@settings(max_examples=30)
@given(
    st.lists(st.floats(0, 60), min_size=85, max_size=300),
    st.dictionaries(st.integers(1, 300), st.floats(0, 5), max_size=20),
    st.integers(1, 120),
)
def test_a_thinned_history_is_short_and_judged_the_same(losses, validation, at_a_time: int):
    norms = [10 * loss + 0.1 for loss in losses]
    history, thinned = run(losses, norms, validation), list[Point]()
    for start in range(0, len(history), at_a_time):
        thinned = thin([*thinned, *history[start : start + at_a_time]])
        assert judge(thinned) == judge(history[: start + at_a_time])
        assert is_in_doubt(thinned) == is_in_doubt(history[: start + at_a_time])
    assert len(thinned) <= 20 + 64 + 2 + len(validation)
