"""From text to (year, month, day)."""

from dates.months import days_in_month

NAMES = (
    "januar",
    "februar",
    "märz",
    "april",
    "mai",
    "juni",
    "juli",
    "august",
    "september",
    "oktober",
    "november",
    "dezember",
)


def parse(text):
    """The date in a text. Raises ValueError, with the reason."""
    text = text.strip()
    if "-" in text:
        year, month, day = text.split("-")
    elif text.count(".") == 2:
        day, month, year = text.split(".")
    else:
        day, month, year = text.replace(".", " ").split()
        month = NAMES.index(month.lower()) + 1
    return checked(int(year), int(month), int(day))


def checked(year, month, day):
    """The date, if there is such a day."""
    if not 1 <= month <= 12:
        raise ValueError(f"there is no month {month}")
    if not 1 <= day <= days_in_month(year, month):
        raise ValueError(f"month {month} of {year} has no day {day}")
    return year, month, day
