"""Bar charts in text."""

BLOCKS = " ▏▎▍▌▋▊▉█"


def bar(value, largest, width=10):
    """A bar of at most `width` characters, in steps of an eighth."""
    if largest <= 0 or value <= 0:
        return ""
    eighths = round(min(value, largest) / largest * width * 8)
    full, rest = divmod(eighths, 8)
    return BLOCKS[8] * full + (BLOCKS[rest] if rest else "")


def chart(values, width=10):
    """A line for each value, names in one column."""
    if not values:
        return ""
    column = max(len(name) for name in values)
    largest = max(values.values())
    return "\n".join(f"{name:<{column}} {bar(value, largest, width)}".rstrip() for name, value in values.items())
