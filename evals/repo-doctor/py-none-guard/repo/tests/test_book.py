import unittest

from contacts.book import Book
from contacts.phone import is_mobile, normalise


class Listing(unittest.TestCase):
    def test_sorted(self):
        book = Book()
        book.add("bob", "030 1234")
        book.add("Ada", "0049 30 99")
        self.assertEqual(book.listing(), ["Ada: +493099", "bob: +49301234"])

    def test_without_number(self):
        book = Book()
        book.add("Ada")
        book.add("Bob", "+49 40 1")
        self.assertEqual(book.listing(), ["Ada", "Bob: +49401"])


class Finding(unittest.TestCase):
    def test_other_spelling(self):
        book = Book()
        book.add("Ada")
        book.add("Bob", "040/12-34")
        self.assertEqual(book.find("+49 40 1234"), "Bob")
        self.assertIsNone(book.find("110"))


class Numbers(unittest.TestCase):
    def test_separators(self):
        self.assertEqual(normalise("(030) 12-34/5"), "+4930 12345".replace(" ", ""))

    def test_mobile(self):
        self.assertTrue(is_mobile("0170 1234567"))
        self.assertFalse(is_mobile("030 1234567"))
