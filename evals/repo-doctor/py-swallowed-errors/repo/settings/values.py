"""Values of settings."""

YES = ("1", "true", "yes", "on")
NO = ("0", "false", "no", "off")


def parse(text):
    """A truth value, a whole number, or the text itself."""
    lowered = text.strip().lower()
    if lowered in YES:
        return True
    if lowered in NO or lowered is "":
        return False
    try:
        return int(lowered)
    except ValueError:
        return text
