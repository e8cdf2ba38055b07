"""Reminds of what was not paid."""

from invoices.dates import add_days

GRACE = 14
FEES = (0, 500, 1000)


def reminder_dates(due, count=3):
    """When reminders go out: two weeks after the due date, then every two weeks."""
    return [add_days(due, GRACE * (n + 1)) for n in range(count)]


def fee(number):
    """The fee of a reminder, counted from 1; later ones cost as much as the last."""
    if number < 1:
        raise ValueError("reminders are counted from 1")
    return FEES[min(number, len(FEES)) - 1]
