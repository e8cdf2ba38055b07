import unittest

from invoices.instalments import schedule, split


class Splitting(unittest.TestCase):
    def test_as_many_as_asked_for(self):
        self.assertEqual(len(split(1000, 12)), 12)

    def test_three_instalments(self):
        self.assertEqual(split(1000, 3), [334, 333, 333])
        self.assertEqual(sum(split(999, 4)), 999)

    def test_none(self):
        with self.assertRaises(ValueError):
            split(1000, 0)


class Schedule(unittest.TestCase):
    def test_one_part_a_month(self):
        dates = [date for date, _ in schedule(500, 3, (2025, 1, 31))]
        self.assertEqual(dates, [(2025, 1, 31), (2025, 2, 28), (2025, 3, 31)])
