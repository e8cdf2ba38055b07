import unittest

from tabular.parse import parse


class Parse(unittest.TestCase):
    def test_records(self):
        self.assertEqual(parse("a, b\n1, 2\n\n3,\n"), [{"a": "1", "b": "2"}, {"a": "3"}])

    def test_wrong_width(self):
        with self.assertRaisesRegex(ValueError, "line 2"):
            parse("a,b\n1\n")
