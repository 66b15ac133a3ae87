"""Templates to one HTML file."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tuneline.pages.revealing import reveal

if TYPE_CHECKING:
    from jinja2 import Environment


def environment(package: str) -> "Environment":
    """Templates of a package, and those that all pages share; every value is escaped.

    Args:
        package: Has a folder `templates`, such as `tuneline.data`.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    found = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader("tuneline.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"n": "{:,}".format, "reveal": reveal}
    found.globals |= {"width": width}
    return found


def write_page(path: Path, page: str) -> None:
    """Write a page, whole or not at all; a lone surrogate becomes an escape."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(page.encode(errors="backslashreplace"))
    part.replace(path)


def width(n: float, most: float) -> str:
    """Length of a bar in percent; what is not 0 can be seen."""
    return f"{max(100 * n / most, 0.4):.1f}%" if n and most else "0"
