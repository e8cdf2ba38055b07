"""Converts amounts."""
from decimal import ROUND_HALF_UP, Decimal

from rates.table import rate

DIGITS = {"JPY": 0}


def convert(amount, source, target):
    """An amount in another currency, rounded as is usual there."""
    exact = Decimal(str(amount)) * rate(source, target)
    digits = DIGITS.get(target, 2)
    return exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def total(amounts, target):
    """Sums amounts of several currencies."""
    return sum((convert(amount, source, target) for amount, source in amounts), Decimal(0))
