"""Dates for people who plan seasons."""
from .calendar import days_in_month, days_in_year, is_leap
from .seasons import season_of

__all__ = ["days_in_month", "days_in_year", "is_leap", "season_of"]
