import unittest

from tabular.export import columns, export, quote

PEOPLE = [
    {"name": "Ada", "city": "London"},
    {"name": "Konrad", "born": "1910", "machine": "Z3"},
    {"name": "Grace", "rank": "admiral", "language": "COBOL"},
]


class Export(unittest.TestCase):
    def test_header_lists_every_column(self):
        header = export(PEOPLE).splitlines()[0]
        self.assertNotEqual(header.split(",")[0], "machine", "the name comes before the machine")
        self.assertLess(header.index("name"), header.index("rank"))

    def test_all_columns(self):
        self.assertEqual(len(columns(PEOPLE)), 6)

    def test_rows(self):
        self.assertEqual(export([{"a": 1}, {"a": None}]), "a\n1\n\n")


class Quoting(unittest.TestCase):
    def test_separator(self):
        self.assertEqual(quote("a;b", ";"), '"a;b"')

    def test_quote(self):
        self.assertEqual(quote('say "hi"', ","), '"say ""hi"""')
