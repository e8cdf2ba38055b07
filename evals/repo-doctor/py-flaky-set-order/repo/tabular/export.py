"""Writes records as delimited text."""


def columns(records):
    """Every column that any record has."""
    names = set()
    for record in records:
        names.update(record)
    return list(names)


def quote(value, separator):
    """Quotes a value where it must be."""
    text = "" if value is None else str(value)
    if separator in text or '"' in text or "\n" in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def export(records, separator=","):
    """Header and rows."""
    names = columns(records)
    lines = [separator.join(names)]
    for record in records:
        lines.append(separator.join(quote(record.get(name), separator) for name in names))
    return "\n".join(lines) + "\n"
