import unittest

from guestbook.entries import Entry, make_entry, search
from guestbook.store import Store


class Making(unittest.TestCase):
    def test_question(self):
        self.assertIn("question", make_entry("Ada", "How does it work?").labels)

    def test_loud(self):
        self.assertIn("loud", make_entry("Bob", "GREAT").labels)

    def test_short(self):
        self.assertEqual(len(Entry("Ada", "x" * 90).short()), 40)


class Searching(unittest.TestCase):
    def test_any_case(self):
        entries = [Entry("Ada", "Engines"), Entry("Bob", "Poems")]
        self.assertEqual([e.author for e in search(entries, "ENG")], ["Ada"])


class Keeping(unittest.TestCase):
    def test_newest_first_and_limited(self):
        store = Store(limit=2)
        for text in "abc":
            store.add(Entry("Ada", text))
        self.assertEqual([e.text for e in store.newest()], ["c", "b"])
        self.assertEqual(len(store), 2)
