"""Reads delimited text without quotes."""


def parse(text, separator=","):
    """Records by the names in the header; empty cells are left out."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return []
    names = [name.strip() for name in lines[0].split(separator)]
    records = []
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.split(separator)]
        if len(cells) != len(names):
            raise ValueError(f"line {number}: {len(cells)} cells, {len(names)} columns")
        records.append({name: cell for name, cell in zip(names, cells) if cell})
    return records
