"""Clock times in minutes since midnight."""
import re

PATTERN = re.compile(r"^(\d{1,2})[:.h](\d{2})$")


def parse(text):
    """'7:05', '07.05' or '7h05'."""
    match = PATTERN.match(text.strip())
    if match is None:
        raise ValueError(f"no time: {text!r}")
    hours, minutes = (int(part) for part in match.groups())
    if hours > 23 or minutes > 59:
        raise ValueError(f"no such time: {text!r}")
    return hours * 60 + minutes


def show(minutes):
    """Wraps around midnight."""
    hours, rest = divmod(minutes % (24 * 60), 60)
    return f"{hours:02}:{rest:02}"


def between(start, end):
    """Minutes from one time to the next time the clock shows the other."""
    return (end - start) % (24 * 60)
