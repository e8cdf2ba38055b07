"""Tracking numbers with a check digit."""


def check_digit(number):
    """The weighted sum of the digits, modulo 11, 0 for 10."""
    weights = (8, 6, 4, 2, 3, 5, 9, 7)
    total = sum(int(digit) * weight for digit, weight in zip(number, weights))
    digit = 11 - total % 11
    return {10: 0, 11: 5}.get(digit, digit)


def is_valid(code):
    """Whether a code like RR473124829DE holds together."""
    code = code.replace(" ", "").upper()
    if len(code) != 13 or not code[2:11].isdigit():
        return False
    return check_digit(code[2:10]) == int(code[10])
