import unittest

from clock import between, parse, show


class Clock(unittest.TestCase):
    def test_parse(self):
        self.assertEqual([parse(text) for text in ("7:05", "07.05", " 7h05 ")], [425] * 3)

    def test_no_time(self):
        for text in ("24:00", "1:60", "noon", "1:5"):
            with self.assertRaises(ValueError):
                parse(text)

    def test_midnight(self):
        self.assertEqual(show(parse("23:50") + 20), "00:10")
        self.assertEqual(between(parse("23:50"), parse("0:10")), 20)
