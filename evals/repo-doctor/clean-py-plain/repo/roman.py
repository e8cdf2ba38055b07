"""Roman numerals."""

SIGNS = ((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


def to_roman(number):
    """1 to 3999."""
    if not 0 < number < 4000:
        raise ValueError(f"no numeral for {number}")
    out = []
    for value, sign in SIGNS:
        times, number = divmod(number, value)
        out.append(sign * times)
    return "".join(out)


def from_roman(text):
    """The number; ValueError for anything that is no proper numeral."""
    rest, number = text.upper(), 0
    for value, sign in SIGNS:
        while rest.startswith(sign):
            number += value
            rest = rest[len(sign):]
    if rest or not number or to_roman(number) != text.upper():
        raise ValueError(f"no numeral: {text!r}")
    return number
