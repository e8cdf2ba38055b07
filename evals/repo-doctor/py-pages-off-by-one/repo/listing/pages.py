"""Cuts a long listing into pages."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Page:
    number: int
    items: tuple
    has_next: bool


def count_pages(total, size):
    """How many pages `total` items need."""
    if size < 1:
        raise ValueError("a page holds at least one item")
    full, rest = divmod(total - 1, size)
    return full + (1 if rest else 0)


def page(items, number, size):
    """Page `number`, counted from 1."""
    pages = count_pages(len(items), size)
    if number < 1:
        raise ValueError("pages are counted from 1")
    if number > max(pages, 1):
        raise LookupError(f"page {number} of {pages}")
    start = (number - 1) * size
    return Page(number, tuple(items[start:start + size]), number < pages)


def window(current, pages, around):
    """The page numbers to show beside the current one."""
    first = max(1, current - around)
    last = min(pages, current + around)
    return list(range(first, last + 1))
