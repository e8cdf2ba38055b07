import unittest
from decimal import Decimal

from rates import table
from rates.convert import convert, total


class Converting(unittest.TestCase):
    def test_both_ways(self):
        self.assertEqual(convert(100, "EUR", "USD"), Decimal("108.00"))
        self.assertEqual(convert(108, "USD", "EUR"), Decimal("100.00"))

    def test_same_currency(self):
        self.assertEqual(convert("9.995", "EUR", "EUR"), Decimal("10.00"))

    def test_sum(self):
        self.assertEqual(total([(1, "EUR"), (100, "CHF")], "EUR"), Decimal("105.17"))


class Looking(unittest.TestCase):
    def test_second_lookup_is_cached(self):
        self.assertGreaterEqual(table.cached(), 2)

    def test_unknown(self):
        with self.assertRaises(LookupError):
            table.rate("EUR", "XXX")
