from tuneline.review.judge import Judged
from tuneline.review.pairs import ReviewKey
from tuneline.review.summary import JudgeRun, summarize
from tuneline.review.verdicts import Verdict

N = 40
KEY = ReviewKey(
    review="r1",
    run_id="run7",
    candidate="candidate",
    baseline="champion",
    seed=0,
    candidate_side={f"p{i}": "left" if i % 2 else "right" for i in range(N)},
    records={f"p{i}": f"d{i}" for i in range(N)},
    n_equal=3,
)


def candidate_side(i):
    return KEY.candidate_side[f"p{i}"]


def other_side(i):
    return "right" if candidate_side(i) == "left" else "left"


def verdicts(choose, reviewer="ann", n=N):
    return [Verdict("r1", f"p{i}", choose(i), reviewer) for i in range(n)]


def people(i):
    """For the candidate in three of four pairs."""
    return candidate_side(i) if i % 4 else other_side(i)


def judged(choose, n=N):
    return [Judged(f"p{i}", choose(i), choose(i)) for i in range(n)]


def judge_of(judged_pairs, n_verdicts=N):
    report = summarize(KEY, verdicts(people, n=n_verdicts), [JudgeRun("big", 30, judged_pairs)])
    return report.judges[0]


def test_verdicts_count_for_the_model_that_stood_on_that_side():
    report = summarize(KEY, verdicts(people))
    assert (report.win_rate.wins, report.win_rate.losses) == (30, 10)
    assert report.win_rate.verdict == "better"
    assert (report.n_pairs, report.n_equal, report.n_judged) == (N, 3, N)


def test_two_reviewers_are_compared_on_the_pairs_that_both_judged():
    report = summarize(
        KEY, [*verdicts(people), *verdicts(people, "bo", 8), *verdicts(people, "c", 0)]
    )
    (found,) = report.agreements
    assert (found.first, found.second, found.n, found.share) == ("ann", "bo", 8, 1.0)
    assert report.reviewers == {"ann": N, "bo": 8}
    assert report.win_rate.n == N, "a pair counts once, whoever judged it"


def test_before_the_first_verdict_there_is_no_win_rate():
    report = summarize(KEY, [])
    assert (report.win_rate, report.n_judged) == (None, 0)


def test_a_judge_that_agrees_with_people_is_shown_with_its_agreement():
    judge = judge_of(judged(people))
    assert judge.calibration.kappa == 1
    assert judge.win_rate.value == 0.75
    assert "agrees with people on 100%" in judge.note


def test_a_judge_without_enough_human_verdicts_is_not_shown_as_a_number():
    judge = judge_of(judged(people), n_verdicts=29)
    assert judge.win_rate is None
    assert "people judged 29 of its pairs and 30 are needed" in judge.note
    assert judge_of(judged(people), n_verdicts=0).calibration is None


def test_a_judge_no_better_than_chance_is_not_shown_as_a_number():
    judge = judge_of(judged(lambda i: "left" if i // 4 % 2 else "right"))
    assert judge.win_rate is None
    assert "no better than chance" in judge.note


def test_a_judge_that_the_sides_sway_gives_ties_and_what_cannot_be_read_does_not_count():
    swayed = [Judged(f"p{i}", "left", "right") for i in range(4)]
    unread = [Judged(f"p{i}", "left", None) for i in range(4, 6)]
    judge = judge_of([*swayed, *unread, *judged(people)[6:]])
    assert (judge.n, judge.n_swayed, judge.n_unreadable) == (N - 2, 4, 2)
    assert judge.win_rate.same == 4
