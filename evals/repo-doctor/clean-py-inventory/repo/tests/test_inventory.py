import os
import tempfile
import unittest

from inventory.files import forget, load, save
from inventory.items import Item, count_by_tag, first_with, labelled, walk


class Items(unittest.TestCase):
    def setUp(self):
        self.items = [Item("nail", 100, ["iron"]), Item("board", 3, ["wood"]), Item("hook", 7, ["iron"])]

    def test_labels(self):
        self.assertEqual(labelled(self.items[0], ["cheap"]), "nail (iron, cheap)")
        self.assertEqual(labelled(Item("x")), "x")

    def test_first(self):
        self.assertEqual(first_with(self.items, "wood").name, "board")
        self.assertIsNone(first_with(self.items, "gold"))

    def test_counts(self):
        self.assertEqual(count_by_tag(self.items), {"iron": 107, "wood": 3})

    def test_walk(self):
        self.assertEqual(list(walk({"b": {"c": {}}, "a": None})), [("a", 0), ("b", 0), ("c", 1)])
        self.assertEqual(list(walk({})), [])


class Files(unittest.TestCase):
    def test_there_and_back(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "items.json")
            self.assertEqual(load(path), [])
            save(path, [Item("nail", 2)])
            self.assertEqual(load(path), [Item("nail", 2)])
            forget(path)
            forget(path)
            self.assertFalse(os.path.exists(path))

    @unittest.skipUnless(os.name == "nt", "only where drives have letters")
    def test_drives(self):
        self.assertTrue(os.path.splitdrive(os.getcwd())[0])
