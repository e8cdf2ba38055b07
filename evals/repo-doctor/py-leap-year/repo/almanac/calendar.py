"""The Gregorian calendar, without time zones."""

MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_leap(year):
    """Whether February of this year has 29 days."""
    if year < 1583:
        raise ValueError(f"the Gregorian calendar begins in 1583, not {year}")
    if year % 4 == 0:
        return year % 100 != 0 or year % 200 == 0
    return False


def days_in_month(year, month):
    """Length of a month, 1 to 12."""
    if not 1 <= month <= 12:
        raise ValueError(f"no such month: {month}")
    if month == 2 and is_leap(year):
        return 29
    return MONTH_LENGTHS[month - 1]


def days_in_year(year):
    """365 or 366."""
    return 366 if is_leap(year) else 365


def day_of_year(year, month, day):
    """1 for the first of January."""
    if not 1 <= day <= days_in_month(year, month):
        raise ValueError(f"no such day: {year}-{month}-{day}")
    return sum(days_in_month(year, m) for m in range(1, month)) + day
