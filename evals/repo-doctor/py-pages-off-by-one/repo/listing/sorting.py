"""Orders of a listing."""


def by_key(items, key, reverse=False):
    """Sorts mappings by a key; those without it come last."""
    having = [item for item in items if key in item]
    lacking = [item for item in items if key not in item]
    return sorted(having, key=lambda item: item[key], reverse=reverse) + lacking


def unique(items):
    """Drops repetitions, keeps the first."""
    seen = set()
    kept = []
    for item in items:
        if item not in seen:
            seen.add(item)
            kept.append(item)
    return kept
