import unittest

from almanac.calendar import day_of_year, days_in_month, days_in_year, is_leap


class LeapYears(unittest.TestCase):
    def test_ordinary(self):
        self.assertTrue(is_leap(2024))
        self.assertFalse(is_leap(2023))

    def test_centuries(self):
        for year in (1700, 1800, 1900, 2100):
            self.assertFalse(is_leap(year), year)
        for year in (1600, 2000, 2400):
            self.assertTrue(is_leap(year), year)
        self.assertFalse(is_leap(2200))
        self.assertFalse(is_leap(2600))

    def test_before_the_reform(self):
        with self.assertRaises(ValueError):
            is_leap(1500)


class Lengths(unittest.TestCase):
    def test_february(self):
        self.assertEqual(days_in_month(2024, 2), 29)
        self.assertEqual(days_in_month(2023, 2), 28)

    def test_year(self):
        self.assertEqual(days_in_year(2000), 366)
        self.assertEqual(days_in_year(2001), 365)

    def test_last_day(self):
        self.assertEqual(day_of_year(2023, 12, 31), 365)
        self.assertEqual(day_of_year(2024, 12, 31), 366)

    def test_no_such_day(self):
        with self.assertRaises(ValueError):
            day_of_year(2023, 2, 29)
