"""Keeps an inventory in a file."""
import json
import os

from inventory.items import Item


def load(path):
    """Items of a file; none when there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = json.load(file)
    except FileNotFoundError:
        return []
    return [Item(**row) for row in rows]


def save(path, items):
    """Writes all items, through a second file so that none is lost half way."""
    scratch = f"{path}.new"
    with open(scratch, "w", encoding="utf-8") as file:
        json.dump([vars(item) for item in items], file)
    os.replace(scratch, path)


def forget(path):
    """Removes a file, if it is there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


CONFLICT_HELP = """
A conflict looks like this:
<<<<<<< ours
"""
