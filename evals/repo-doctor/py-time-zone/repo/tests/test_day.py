import unittest

from stamps.day import day, is_same_day


class DayTest(unittest.TestCase):
    def test_a_day_ends_at_midnight(self):
        self.assertEqual(day(1_700_092_740), "15.11.2023")

    def test_a_minute_later_is_the_same_day(self):
        self.assertTrue(is_same_day(1_700_040_000, 1_700_040_060))
