import unittest

from invoices.reminders import fee, owed, reminder_dates


class Reminders(unittest.TestCase):
    def test_dates(self):
        self.assertEqual(reminder_dates((2025, 2, 20), 2), [(2025, 3, 6), (2025, 3, 20)])

    def test_fees(self):
        self.assertEqual([fee(n) for n in (1, 2, 3, 4)], [0, 500, 1000, 1000])

    def test_owed(self):
        self.assertEqual(owed(10_000, 0), 10_000)
        self.assertEqual(owed(10_000, 3), 11_500)
