import unittest

from settings.load import from_environment, from_json, merged
from settings.values import parse


class Values(unittest.TestCase):
    def test_truth(self):
        self.assertIs(parse("yes"), True)
        self.assertIs(parse(" Off "), False)

    def test_text(self):
        self.assertEqual(parse("blue"), "blue")


class Layers(unittest.TestCase):
    def test_later_wins(self):
        self.assertEqual(merged({"a": 1}, {"a": 2}), {"a": 2})

    def test_later_wins(self):
        self.assertEqual(merged({"a": 1}, {}, {"b": 2}), {"a": 1, "b": 2})

    def test_environment(self):
        self.assertEqual(from_environment({"APP_PORT": "80", "HOME": "/"}), {"port": 80})

    def test_missing_file(self):
        self.assertEqual(from_json("/nonexistent/settings.json"), {})
