"""Numbers of the data report in words, the same on every page that shows them."""

from collections.abc import Mapping, Sequence

from tuneline.reports import Certificate, DataReport


def verdict(report: DataReport) -> str:
    """`1,000 rows read = 870 kept + 130 dropped`, with a sign for numbers that do not add up."""
    n_dropped = count_dropped(report)
    sign = "=" if report.n_read == report.n_kept + n_dropped else "≠"
    return f"{report.n_read:,} rows read {sign} {report.n_kept:,} kept + {n_dropped:,} dropped"


def certify(certificate: Certificate | None) -> str:
    """Whether anything is trained on before it is measured on, in one sentence."""
    if certificate is None:
        return "No leak certificate: the run stopped before the split"
    n, remaining = len(certificate.checks), sum(c.remaining for c in certificate.checks)
    if certificate.is_clean:
        checks = count(n, "comparison")
        return f"Leak certificate clean: a second search over {checks} found nothing"
    return f"Leak certificate refused: {count(remaining, 'leak')} left"


def count_dropped(report: DataReport) -> int:
    """Records dropped in all stages together."""
    return sum(n for reasons in report.dropped.values() for n in reasons.values())


def count(n: int, noun: str) -> str:
    """`1 leak`, `1,200 leaks`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def share(n: int, total: int) -> str:
    """`0.0 %`, `<0.1 %`, `4.2 %`."""
    percent = 100 * n / total if total else 0.0
    return "<0.1 %" if 0 < percent < 0.1 else f"{percent:.1f} %"


def part_of(n: int, total: int) -> str:
    """`42 of 1,000 (4.2 %)`."""
    return f"{n:,} of {total:,} ({share(n, total)})"


def spell(code: str) -> str:
    """A reason or rule as people read it: `missing_answer` becomes `missing answer`."""
    return code.replace("_", " ")


def some_names(names: Sequence[str], limit: int = 3) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def commonest(counts: Mapping[str, int]) -> str:
    """The name with the highest count; the first of equals.

    Raises:
        ValueError: There is none.
    """
    return max(counts, key=lambda name: counts[name])
