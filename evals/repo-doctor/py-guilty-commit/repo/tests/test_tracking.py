import unittest

from parcel.tracking import is_valid


class Codes(unittest.TestCase):
    def test_valid(self):
        self.assertTrue(is_valid("RR 473 124 829 DE"))

    def test_wrong_digit(self):
        self.assertFalse(is_valid("RR473124828DE"))

    def test_too_short(self):
        self.assertFalse(is_valid("RR4731"))
