"""Python source, parsed."""

from __future__ import annotations

import warnings

import pytest

from mle_star.models.syntax import compiles, parse


def test_what_python_thinks_of_a_models_style_is_not_said_to_the_user() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        parse(r"pattern = '\_'")
        assert compiles(r"same = 1 is 1, '\d'")
    assert heard == []


@pytest.mark.parametrize("source", ["x = (", "x = '\0'", "x = " + "(" * 5_000])
def test_whatever_can_not_be_parsed_is_a_syntax_error(source: str) -> None:
    with pytest.raises(SyntaxError):
        parse(source)
