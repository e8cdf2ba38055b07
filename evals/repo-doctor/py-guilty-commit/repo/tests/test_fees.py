import unittest

from parcel.fees import fee, insured


class Fees(unittest.TestCase):
    def test_whole_kilograms(self):
        self.assertEqual(fee(2000, "A"), 490 + 170)

    def test_fee_is_rounded_up(self):
        self.assertEqual(fee(2100, "A"), 490 + 255)

    def test_nothing(self):
        with self.assertRaises(ValueError):
            fee(0, "A")

    def test_insurance(self):
        self.assertEqual(insured(490, 60_000), 590)
        self.assertEqual(insured(490, 1_000), 490)
