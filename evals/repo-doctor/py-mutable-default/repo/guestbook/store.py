"""Keeps entries in memory, newest first."""


class Store:
    def __init__(self, limit=100):
        self.limit = limit
        self._entries = []

    def add(self, entry):
        self._entries.insert(0, entry)
        del self._entries[self.limit:]

    def newest(self, count=10):
        return list(self._entries[:count])

    def by_author(self, author):
        return [entry for entry in self._entries if entry.author == author]

    def __len__(self):
        return len(self._entries)
