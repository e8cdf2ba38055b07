import unittest

from dates.parse import parse


class Parsing(unittest.TestCase):
    def test_iso(self):
        self.assertEqual(parse("2025-03-07"), (2025, 3, 7))

    def test_with_dots(self):
        self.assertEqual(parse("7.3.2025"), (2025, 3, 7))

    def test_with_a_name(self):
        self.assertEqual(parse("7. März 2025"), (2025, 3, 7))

    def test_no_such_day(self):
        with self.assertRaises(ValueError):
            parse("31.04.2025")

    def test_leap_day(self):
        self.assertEqual(parse("29.02.2024"), (2024, 2, 29))
