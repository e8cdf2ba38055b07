import unittest

from listing.pages import count_pages, page, window


class Counting(unittest.TestCase):
    def test_exact_multiple(self):
        self.assertEqual(count_pages(20, 10), 2)
        self.assertEqual(count_pages(11, 10), 2)

    def test_bad_size(self):
        with self.assertRaises(ValueError):
            count_pages(3, 0)


class Slices(unittest.TestCase):
    def test_first(self):
        first = page(list(range(25)), 1, 10)
        self.assertEqual(first.items, tuple(range(10)))
        self.assertTrue(first.has_next)

    def test_last(self):
        last = page(list(range(25)), 3, 10)
        self.assertEqual(last.items, (20, 21, 22, 23, 24))
        self.assertFalse(last.has_next)

    def test_beyond(self):
        with self.assertRaises(LookupError):
            page(list(range(25)), 4, 10)


class Window(unittest.TestCase):
    def test_edges(self):
        self.assertEqual(window(1, 9, 2), [1, 2, 3])
        self.assertEqual(window(9, 9, 2), [7, 8, 9])
        self.assertEqual(window(5, 9, 1), [4, 5, 6])
