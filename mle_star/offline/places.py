"""Places on the earth in a table: two columns each, latitude and longitude."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mle_star.models.profile import ColumnProfile


def _word(*words: str) -> re.Pattern[str]:
    """One of the words in a column's name, set off by marks, digits or a capital: `end_lat`, `lat2`, `endLat`."""
    any_case, capital = "|".join(words), "|".join(word.capitalize() for word in words)
    return re.compile(rf"(?<![A-Za-z])(?i:{any_case})(?![A-Za-z])|(?<=[a-z])(?:{capital})(?![a-z])")


NORTH, EAST = _word("lat", "latitude"), _word("lon", "lng", "long", "longitude")


def find_places(columns: Sequence[ColumnProfile]) -> list[tuple[str, str]]:
    """Latitude and longitude of two places or more, told by names and ranges; none where there are fewer."""
    latitudes, longitudes = _named(NORTH, 90.0, columns), _named(EAST, 180.0, columns)
    places = [(name, longitudes[place]) for place, name in latitudes.items() if place in longitudes]
    return places if len(places) > 1 else []


def _named(word: re.Pattern[str], most: float, columns: Sequence[ColumnProfile]) -> dict[str, str]:
    """Columns of degrees, from -most to most, by the rest of their names, which a place's two columns share."""
    return {
        word.sub("", column.name).strip("_ .-").lower(): column.name
        for column in columns
        if column.kind == "numeric" and word.search(column.name) and _within(column, most)
    }


def _within(column: ColumnProfile, most: float) -> bool:
    ends = column.minimum, column.maximum
    return all(isinstance(end, (int, float)) and -most <= end <= most for end in ends)
