"""An address book."""
from contacts.phone import normalise


class Book:
    def __init__(self):
        self._people = {}

    def add(self, name, number=None):
        if name in self._people:
            raise KeyError(f"{name} is already there")
        self._people[name] = number

    def number_of(self, name):
        return self._people[name]

    def listing(self):
        """Names with their numbers, sorted; people without a number are listed without one."""
        lines = []
        for name in sorted(self._people, key=str.casefold):
            number = normalise(self._people[name])
            lines.append(f"{name}: {number}" if number else name)
        return lines

    def find(self, number):
        """The name behind a number, or None."""
        wanted = normalise(number)
        for name, known in self._people.items():
            if known is not None and normalise(known) == wanted:
                return name
        return None
