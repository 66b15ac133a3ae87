"""Rows of dicts as tables in the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def print_table(console: "Console", title: str, rows: Sequence[dict[str, Any]]) -> None:
    """Print rows, numbers to the right; nothing where there are none."""
    from rich.table import Table

    if not rows:
        return
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in rows[0]:
        is_number = isinstance(rows[0][column], int | float)
        table.add_column(column, justify="right" if is_number else "left")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
