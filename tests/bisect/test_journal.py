"""Judgements on disk."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from race_harness.bisect.journal import Journal, forget
from race_harness.bisect.judged import Judged, Times
from race_harness.model.errors import OutOfReach
from race_harness.model.schedule import Schedule

JUDGED = Judged("bad", "because", 10, 3, Times(1, 2, 3), Schedule("final-events", 4))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_was_judged_is_known_to_the_next_bisect_of_the_same_question() -> None:
    journal = Journal({"about": 1})
    assert journal.find("a") is None
    journal.add("a", JUDGED)
    assert journal.find("a") == JUDGED
    again = Journal({"about": 1})
    assert again.find("a") == replace(JUDGED, known=True)
    assert again.find("b") is None
    assert Journal({"about": 2}).find("a") is None


def test_fresh_forgets_it() -> None:
    Journal({"about": 1}).add("a", JUDGED)
    assert Journal({"about": 1}, fresh=True).find("a") is None
    assert Journal({"about": 1}).find("a") is None


@pytest.mark.parametrize(
    "harm", ['{"key": "b", "judgem', '{"key": "b"}', "[]", "\x00", '{"k": 1}']
)
def test_a_line_that_was_cut_off_spoils_no_other(harm: str) -> None:
    journal = Journal({"about": 1})
    journal.add("a", JUDGED)
    with journal.path.open("a") as file:
        file.write(harm)
    journal = Journal({"about": 1})
    journal.add("c", JUDGED)
    found = Journal({"about": 1})
    assert [found.find(key) is not None for key in "abc"] == [True, False, True]


def test_another_harness_judges_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    Journal({"about": 1}).add("a", JUDGED)
    monkeypatch.setattr("race_harness.bisect.journal.__version__", "0.0.0")
    assert Journal({"about": 1}).find("a") is None


def test_old_ones_are_forgotten_and_young_ones_kept() -> None:
    old, young = Journal({"about": 1}), Journal({"about": 2})
    os.utime(old.path, (1_000, 1_000))
    assert forget(before=2_000) == 1
    assert not old.path.exists()
    assert young.path.exists()


def test_a_place_that_cannot_be_written_is_told_at_once(home: Path) -> None:
    home.write_text("a file")
    with pytest.raises(OutOfReach, match="set RACE_HOME"):
        Journal({"about": 1})
