"""How long months are."""

LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def days_in_month(year, month):
    """Length of a month, 1 to 12."""
    return LENGTHS[month - 1]
