"""Places in a schedule: every one of them is walked to, named, read and replaced."""

from dataclasses import MISSING, replace

import pytest

from race_harness.model.paths import at, dotted, parsed, put, walk, without
from race_harness.model.schedule import Act, Caller, Fault, Moment, Network, Schedule, Script, Turn

SCHEDULE = Schedule(
    "any",
    script=Script(later=(Turn(), Turn(tool_calls=2))),
    network=Network(faults=(Fault("reset", at=Moment(nth=3)),)),
    caller=Caller(acts=(Act("pause"),)),
)


@pytest.mark.parametrize(
    ("path", "text", "value"),
    [
        (("entropy",), "entropy", 0),
        (("script", "later", 1, "tool_calls"), "script.later[1].tool_calls", 2),
        (("network", "faults", 0), "network.faults[0]", SCHEDULE.network.faults[0]),
        (("network", "faults", 0, "at", "nth"), "network.faults[0].at.nth", 3),
    ],
)
def test_a_place_has_a_name_and_a_value(
    path: tuple[str | int, ...], text: str, value: object
) -> None:
    assert dotted(path) == text
    assert parsed(text) == path
    assert at(SCHEDULE, path) == value
    assert (path, value) in [(place.path, place.value) for place in walk(SCHEDULE)]


def test_all_places_are_walked_to_once_and_hold_what_is_said() -> None:
    places = list(walk(SCHEDULE))
    assert len({place.path for place in places}) == len(places)
    for place in places:
        assert at(SCHEDULE, place.path) is place.value
        assert put(SCHEDULE, place.path, place.value) == SCHEDULE


def test_a_place_knows_the_default_of_its_field() -> None:
    defaults = {dotted(place.path): place.default for place in walk(SCHEDULE)}
    assert defaults["network.faults[0].at.nth"] == 1
    assert defaults["network.faults[0].action"] is MISSING
    assert defaults["network.faults[0]"] is MISSING


def test_elements_need_not_be_entered() -> None:
    names = [dotted(place.path) for place in walk(SCHEDULE, into_elements=False)]
    assert "network.faults[0]" in names
    assert not any(name.startswith("network.faults[0].") for name in names)
    assert "caller.settle_s" in names


def test_what_is_put_changes_nothing_else() -> None:
    changed = put(SCHEDULE, ("network", "faults", 0, "at", "nth"), 7)
    fault = Fault("reset", at=Moment(nth=7))
    assert changed == replace(SCHEDULE, network=Network(faults=(fault,)))


def test_an_element_can_be_left_out() -> None:
    changed = without(SCHEDULE, ("script", "later", 0))
    assert changed.script.later == (Turn(tool_calls=2),)
    assert without(SCHEDULE, ("network", "faults", 0)).network == Network()
