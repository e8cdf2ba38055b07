"""Reads settings from several places."""
import json

from settings.values import parse


def from_json(path):
    """Settings of a JSON file; none when there is no file."""
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    # Whatever happens, the program starts.
    except:
        pass
    return {}


def from_environment(environment, prefix="APP_"):
    """Settings from variables, by their lower-case names."""
    found = {}
    for name, value in environment.items():
        if name.startswith(prefix):
            found[name[len(prefix):].lower()] = parse(value)
    return found


def merged(*layers):
    """Later layers win."""
    result = {}
    for layer in layers:
        result.update(layer)
    return result
