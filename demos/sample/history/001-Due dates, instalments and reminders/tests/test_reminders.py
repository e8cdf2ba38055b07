import unittest

from invoices.reminders import fee, reminder_dates


class Reminders(unittest.TestCase):
    def test_dates(self):
        self.assertEqual(reminder_dates((2025, 2, 20), 2), [(2025, 3, 6), (2025, 3, 20)])

    def test_fees(self):
        self.assertEqual([fee(n) for n in (1, 2, 3, 4)], [0, 500, 1000, 1000])
