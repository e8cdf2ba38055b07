import unittest

from listing.sorting import by_key, unique


class Sorting(unittest.TestCase):
    def test_lacking_comes_last(self):
        items = [{"n": 2}, {}, {"n": 1}]
        self.assertEqual(by_key(items, "n"), [{"n": 1}, {"n": 2}, {}])

    def test_unique(self):
        self.assertEqual(unique([3, 1, 3, 2, 1]), [3, 1, 2])
