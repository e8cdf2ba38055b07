import unittest

from almanac.seasons import months_until, season_of


class Seasons(unittest.TestCase):
    def test_winter_crosses_the_year(self):
        self.assertEqual(season_of(12), "winter")
        self.assertEqual(season_of(2), "winter")

    def test_waiting(self):
        self.assertEqual(months_until("summer", 3), 3)
        self.assertEqual(months_until("spring", 11), 4)
        self.assertEqual(months_until("winter", 1), 0)
