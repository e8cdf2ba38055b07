"""Entries of a guest book."""
from dataclasses import dataclass, field


@dataclass
class Entry:
    author: str
    text: str
    labels: list = field(default_factory=list)

    def short(self, width=40):
        return self.text if len(self.text) <= width else self.text[: width - 1] + "…"


def make_entry(author, text, labels=[]):
    """An entry, labelled by what its text mentions."""
    if "?" in text:
        labels.append("question")
    if text.isupper():
        labels.append("loud")
    return Entry(author, text, labels)


def search(entries, word, fields=("author", "text")):
    """Entries that hold a word, in any case."""
    word = word.lower()
    return [e for e in entries if any(word in getattr(e, name).lower() for name in fields)]
