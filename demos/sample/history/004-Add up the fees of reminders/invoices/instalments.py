"""Pays an invoice in parts."""

from invoices.dates import add_months


def split(cents, parts):
    """Parts that differ by a cent at most, the larger ones first; together they are the whole."""
    if parts < 1:
        raise ValueError("an invoice is paid in one part at least")
    parts_left, amounts = parts, []
    while parts_left:
        amount = -(-cents // parts_left)
        amounts.append(amount)
        cents, parts_left = cents - amount, parts_left - 1
    return amounts


def schedule(cents, parts, first):
    """What is due when: one part a month."""
    return [(add_months(first, n), part) for n, part in enumerate(split(cents, parts))]
