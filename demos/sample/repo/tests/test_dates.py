import unittest

from invoices.dates import add_days, add_months, days_in_month, is_leap


class LeapYears(unittest.TestCase):
    def test_every_fourth(self):
        self.assertTrue(is_leap(2024))
        self.assertFalse(is_leap(2025))

    def test_centuries(self):
        self.assertTrue(is_leap(2000))
        for year in (1800, 1900, 2100, 2200):
            self.assertFalse(is_leap(year), year)


class Arithmetic(unittest.TestCase):
    def test_end_of_february(self):
        self.assertEqual(add_days((2024, 2, 28), 1), (2024, 2, 29))
        self.assertEqual(add_days((2023, 2, 28), 1), (2023, 3, 1))

    def test_end_of_the_year(self):
        self.assertEqual(add_days((2025, 12, 20), 14), (2026, 1, 3))

    def test_same_day_next_month(self):
        self.assertEqual(add_months((2025, 1, 31), 1), (2025, 2, 28))
        self.assertEqual(add_months((2025, 11, 5), 3), (2026, 2, 5))

    def test_months(self):
        self.assertEqual([days_in_month(2025, month) for month in (1, 2, 4, 12)], [31, 28, 30, 31])
