"""Places that a table names by latitude and longitude, and what scripts make of two of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from mle_star.models.profile import ColumnProfile
from mle_star.offline.parts import functions
from mle_star.offline.places import find_places


def degrees(*names: str, most: float = 60.0) -> list[ColumnProfile]:
    return [ColumnProfile(name=name, kind="numeric", dtype="float64", minimum=-most, maximum=most) for name in names]


@pytest.mark.parametrize(
    ("names", "places"),
    [
        (("pickup_longitude", "pickup_latitude", "dropoff_longitude", "dropoff_latitude"), 2),
        (("startLat", "startLng", "endLat", "endLng"), 2),
        (("lat1", "lon1", "lat2", "lon2", "lat3", "lon3"), 3),
        (("Start Latitude", "Start Longitude", "END LAT", "END LONG"), 2),
        (("latitude", "longitude"), 0),
        (("plate", "flat", "platform", "longest", "title_long"), 0),
    ],
)
def test_places_are_told_by_the_names_of_their_columns(names: tuple[str, ...], places: int) -> None:
    assert len(find_places(degrees(*names))) == places


def test_what_is_no_degree_is_no_place() -> None:
    assert not find_places(degrees("a_lat", "a_lon", "b_lat", "b_lon", most=5_000.0))


def test_two_places_are_as_far_apart_as_the_earth_has_them() -> None:
    scope: dict[str, Any] = {"np": np, "pd": pd, "PLACES": [("lat1", "lon1"), ("lat2", "lon2")]}
    exec(functions("tabular")["place_features"], scope)
    vienna_berlin = pd.DataFrame({"lat1": [48.208, np.nan], "lon1": 16.373, "lat2": 52.520, "lon2": 13.405})
    found = scope["place_features"](vienna_berlin)
    assert found["lat1 to lat2 km"][0] == pytest.approx(524, abs=2)
    assert found["lat1 to lat2 km of grid"][0] > 524
    assert np.isnan(found["lat1 to lat2 km"][1])
    assert np.degrees(found["lat1 to lat2 direction"][0]) == pytest.approx(-24, abs=3)  # west of north
