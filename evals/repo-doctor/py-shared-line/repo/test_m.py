import unittest

import m


class Shared(unittest.TestCase):
    def test_adds_three(self):
        self.assertEqual(m.shared(1), 4)

    def test_zero_is_small(self):
        self.assertTrue(m.is_small(0))


class Report(unittest.TestCase):
    def test_total(self):
        self.assertEqual(m.report([1, 2])[-1], "total 9")

    def test_empty(self):
        self.assertIn("nothing", m.report([]))

    def test_title(self):
        self.assertEqual(m.report([1], title="Sums")[0], "Sums")
