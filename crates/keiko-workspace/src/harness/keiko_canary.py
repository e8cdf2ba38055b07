"""Assertions of each kind: those that must fail, and one of each that must hold. Nothing of this is a test of anybody's."""


def checks(word, modules):
    import unittest

    case = unittest.TestCase()
    one, two = len(word), len(word) + 1
    other = word + "!"
    found = []

    def must_fail(name, check):
        found.append((name, check, True))

    def must_hold(name, check):
        found.append((name, check, False))

    def is_false():
        assert one == two

    def is_wrong_text():
        assert word == other

    def nothing_raised():
        with case.assertRaises(ValueError):
            pass

    must_fail("assert", is_false)
    must_fail("assert of texts", is_wrong_text)
    for name, arguments in (
        ("assertEqual", (one, two)),
        ("assertEqual", (word, other)),
        ("assertNotEqual", (word, word)),
        ("assertTrue", (one == two,)),
        ("assertFalse", (one == one,)),
        ("assertIs", (word, other)),
        ("assertIsNot", (word, word)),
        ("assertIsNone", (word,)),
        ("assertIsNotNone", (None,)),
        ("assertIn", (one, [two])),
        ("assertNotIn", (one, [one])),
        ("assertIsInstance", (word, int)),
        ("assertNotIsInstance", (word, str)),
        ("assertAlmostEqual", (one, two)),
        ("assertNotAlmostEqual", (one, one)),
        ("assertGreater", (one, two)),
        ("assertGreaterEqual", (one, two)),
        ("assertLess", (two, one)),
        ("assertLessEqual", (two, one)),
        ("assertRegex", (word, "^!")),
        ("assertNotRegex", (word, word)),
        ("assertCountEqual", ([one], [two])),
        ("assertListEqual", ([one], [two])),
        ("assertTupleEqual", ((one,), (two,))),
        ("assertSetEqual", ({one}, {two})),
        ("assertDictEqual", ({one: 1}, {two: 1})),
        ("assertSequenceEqual", ([one], [two])),
        ("assertMultiLineEqual", (word, other)),
        ("assertRaises", (ValueError, len, word)),
        ("assertRaisesRegex", (ValueError, "x", len, word)),
        ("fail", (word,)),
    ):
        method = getattr(case, name, None)
        if method is not None:
            must_fail("unittest's " + name, lambda method=method, arguments=arguments: method(*arguments))
    must_fail("unittest's assertRaises", nothing_raised)
    must_hold("unittest's assertEqual", lambda: case.assertEqual(word, word))
    must_hold("unittest's assertRaises", lambda: case.assertRaises(ValueError, int, word + "x"))
    found.extend(of_run(unittest, word, other))
    if "pytest" in modules:
        found.extend(of_pytest(modules["pytest"], one, two))
    numeric = modules.get("numpy.testing")
    if numeric is not None:
        must_fail("numpy's assert_equal", lambda: numeric.assert_equal([one], [two]))
        must_fail("numpy's assert_allclose", lambda: numeric.assert_allclose([one], [two]))
        must_fail("numpy's assert_array_equal", lambda: numeric.assert_array_equal([one], [two]))
    return found


def of_run(unittest, word, other):
    """A whole test case, run by unittest itself."""

    class Canary(unittest.TestCase):
        def test_fails(self):
            self.assertEqual(word, other)

        def test_holds(self):
            self.assertEqual(word, word)

    def run(name):
        result = unittest.TestResult()
        Canary(name).run(result)
        if not result.wasSuccessful():
            raise AssertionError(name)

    return [("a failing test of unittest", lambda: run("test_fails"), True), ("a test of unittest", lambda: run("test_holds"), False)]


def of_pytest(pytest, one, two):
    def nothing_raised():
        with pytest.raises(ValueError):
            pass

    def equal():
        assert one == pytest.approx(two)

    def same():
        assert one == pytest.approx(one)

    return [
        ("pytest.raises", nothing_raised, True),
        ("pytest.raises of a call", lambda: pytest.raises(ValueError, len, "x"), True),
        ("pytest.approx", equal, True),
        ("pytest.fail", lambda: pytest.fail("canary"), True),
        ("pytest.approx of the same", same, False),
        ("pytest.raises of what is raised", lambda: pytest.raises(ValueError, int, "x"), False),
    ]
