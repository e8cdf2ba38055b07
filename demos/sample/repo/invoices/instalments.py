"""Pays an invoice in parts."""

from invoices.dates import add_months


def split(cents, parts):
    """Parts that differ by a cent at most, the larger ones first; together they are the whole."""
    if parts < 1:
        raise ValueError("an invoice is paid in one part at least")
    share, rest = divmod(cents, parts)
    return [share + 1 if n <= rest else share for n in range(parts)]


def schedule(cents, parts, first):
    """What is due when: one part a month."""
    return [(add_months(first, n), part) for n, part in enumerate(split(cents, parts))]
