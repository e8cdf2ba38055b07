import unittest

from report.bars import bar, chart


class Bars(unittest.TestCase):
    def test_lengths(self):
        self.assertEqual(bar(10, 10), "█" * 10)
        self.assertEqual(bar(1, 16, width=1), "")
        self.assertEqual(bar(1, 8, width=1), "▏")
        self.assertEqual(bar(5, 10, width=1), "▌")

    def test_nothing(self):
        self.assertEqual(bar(0, 10), "")
        self.assertEqual(chart({}), "")

    def test_chart(self):
        self.assertEqual(chart({"a": 2, "long": 1}, width=2), "a    ██\nlong █")
