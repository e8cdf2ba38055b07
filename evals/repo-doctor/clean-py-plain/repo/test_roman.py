import unittest

from roman import from_roman, to_roman


class Roman(unittest.TestCase):
    def test_known(self):
        for number, text in ((1, "I"), (4, "IV"), (1994, "MCMXCIV"), (3999, "MMMCMXCIX")):
            with self.subTest(number=number):
                self.assertEqual(to_roman(number), text)
                self.assertEqual(from_roman(text.lower()), number)

    def test_all(self):
        self.assertTrue(all(from_roman(to_roman(n)) == n for n in range(1, 4000)))

    def test_improper(self):
        for text in ("", "IIII", "VX", "IC", "one"):
            with self.assertRaises(ValueError):
                from_roman(text)
        with self.assertRaises(ValueError):
            to_roman(0)
