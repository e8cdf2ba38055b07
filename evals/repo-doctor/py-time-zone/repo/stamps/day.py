"""Days of timestamps."""

from datetime import datetime


def day(stamp):
    """The day of a timestamp, as people write it."""
    return datetime.fromtimestamp(stamp).strftime("%d.%m.%Y")


def is_same_day(one, other):
    """Whether two timestamps are of one day."""
    return day(one) == day(other)
