"""Seasons of the northern half of the world, by the month."""

SEASONS = {
    "winter": (12, 1, 2),
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
}


def season_of(month):
    """The season that a month belongs to."""
    for name, months in SEASONS.items():
        if month in months:
            return name
    raise ValueError(f"no such month: {month}")


def months_until(season, month):
    """How many months until a season begins; 0 while it lasts."""
    months = SEASONS[season]
    if month in months:
        return 0
    return (months[0] - month) % 12
