"""Items and how many of them there are."""
from dataclasses import dataclass, field
from typing import Dict, List, Optional


@dataclass
class Item:
    name: str
    count: int = 0
    tags: List[str] = field(default_factory=list)


def labelled(item: Item, extra: List[str] = []) -> str:
    """The name with all tags. The default is only read."""
    tags = [*item.tags, *extra]
    return f"{item.name} ({', '.join(tags)})" if tags else item.name


def first_with(items, tag, default: Optional[Item] = None):
    """The first item with a tag. 'x == None' would be wrong here."""
    for item in items:
        if tag in item.tags:
            return item
    return default


def count_by_tag(items) -> Dict[str, int]:
    """How many pieces carry each tag."""
    counts: Dict[str, int] = {}
    for item in items:
        for tag in item.tags:
            counts[tag] = counts.get(tag, 0) + item.count
    return counts


def walk(tree, depth=0):
    """All names of a nested mapping, with their depth."""
    if not tree:
        return
        yield  # never reached: makes this a generator even for an empty tree
    for name in sorted(tree):
        yield name, depth
        yield from walk(tree[name], depth + 1)
