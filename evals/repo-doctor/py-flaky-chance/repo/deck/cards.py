"""A deck of cards."""

import secrets

COLOURS = ("red", "black")


def draw():
    """One card, at random."""
    return secrets.choice(COLOURS)


def hand(size):
    """So many cards."""
    return [draw() for _ in range(size)]
