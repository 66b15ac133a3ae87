"""Several questions to one holdout: one of them seems answered by chance."""

from collections.abc import Mapping


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values so that any error among them stays at most alpha (Holm 1979).

    Args:
        p_values: Question -> p-value.

    Returns:
        Question -> adjusted p-value, in the order given; never smaller than the one given, and
        ranked as those given.
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for rank, name in enumerate(sorted(p_values, key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p_values}
