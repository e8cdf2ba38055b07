"""Dates as (year, month, day), because invoices know no time zones."""

LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def is_leap(year):
    """Whether February has 29 days."""
    if year % 400 == 0:
        return True
    return year % 4 == 0 and year % 100 != 0


def days_in_month(year, month):
    """Length of a month, 1 to 12."""
    return 29 if month == 2 and is_leap(year) else LENGTHS[month - 1]


def add_days(date, days):
    """The date some days later."""
    year, month, day = date
    day += days
    while day > days_in_month(year, month):
        day -= days_in_month(year, month)
        month += 1
        if month > 12:
            year, month = year + 1, 1
    return year, month, day


def add_months(date, months):
    """The same day some months later, or the last day of that month."""
    year, month, day = date
    year, month = year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1
    return year, month, min(day, days_in_month(year, month))
