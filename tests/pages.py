"""What is asked of every HTML page, and how a part of one is found."""

import re
from html.parser import HTMLParser

VOID = {"meta", "link", "br", "hr", "img", "input", "line", "polyline"}


class Nesting(HTMLParser):
    """Raises where an end tag does not close the last open one."""

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag, self.getpos()


def check_nesting(page):
    parser = Nesting()
    parser.feed(page)
    assert parser.open == []


def check_that_it_stands_alone(page):
    """It runs no script, and asks no file and no server for anything."""
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<script|<img|<iframe", page)
    assert re.findall(r'(?:src|href)="([^#][^"]*)"', page) == ["data:,"]
    assert "default-src 'none'" in page


def section(page, name):
    return re.search(rf'<section id="{name}">.*?</section>', page, re.DOTALL).group()
