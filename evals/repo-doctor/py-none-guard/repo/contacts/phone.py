"""Telephone numbers as people write them."""

SEPARATORS = " -/()."


def normalise(number, country="+49"):
    """A number without separators, in international form."""
    for separator in SEPARATORS:
        # Every separator goes, wherever it stands.
        number = number.replace(separator, "")
    if number.startswith("00"):
        return "+" + number[2:]
    if number.startswith("0"):
        return country + number[1:]
    return number


def is_mobile(number):
    """Whether a German number belongs to a mobile network."""
    return normalise(number).startswith(("+4915", "+4916", "+4917"))
