import unittest

from deck.cards import COLOURS, draw, hand


class CardsTest(unittest.TestCase):
    def test_a_hand_has_its_size(self):
        self.assertEqual(len(hand(5)), 5)

    def test_cards_have_a_colour(self):
        self.assertIn(draw(), COLOURS)

    def test_the_first_card_is_red(self):
        self.assertEqual(hand(1)[-1], "red")

    def test_the_second_card_is_red(self):
        self.assertEqual(hand(2)[-1], "red")

    def test_the_third_card_is_red(self):
        self.assertEqual(hand(3)[-1], "red")

    def test_the_fourth_card_is_red(self):
        self.assertEqual(hand(4)[-1], "red")

    def test_the_fifth_card_is_red(self):
        self.assertEqual(hand(5)[-1], "red")

    def test_the_sixth_card_is_red(self):
        self.assertEqual(hand(6)[-1], "red")
