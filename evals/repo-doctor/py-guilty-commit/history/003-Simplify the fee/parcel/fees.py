"""What a parcel costs."""

ZONES = {"A": 490, "B": 790, "C": 1290}
PER_KILOGRAM = 85


def fee(grams, zone):
    """The fee in cents: a base for the zone, and a price for each kilogram begun."""
    if grams <= 0:
        raise ValueError("a parcel weighs something")
    kilograms = grams // 1000
    return ZONES[zone] + PER_KILOGRAM * kilograms


def insured(cents, value):
    """Adds one percent of the value above 500.00."""
    return cents + max(0, value - 50_000) // 100
