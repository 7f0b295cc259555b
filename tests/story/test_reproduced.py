"""One line says what a finding is worth, wherever it is told."""

from dataclasses import replace

import pytest

from race_harness.model.confirmation import Confirmation
from race_harness.model.failure import Failure
from race_harness.model.verdict import Judgement
from race_harness.story.mermaid import sequence_diagram
from race_harness.story.page import html_page
from race_harness.story.reproduced import confirmed_line
from race_harness.story.timeline import short_story, timeline_text
from race_harness.story.words import in_words


def tried(reproduced: int, tries: int = 5) -> Confirmation:
    return Confirmation(tries, reproduced, {"late": reproduced}, "1.58.0", "1.58.0")


LACKING = Confirmation(0, 0, {}, "1.58.0", reason="no such server")


@pytest.mark.parametrize(
    ("confirmed", "line"),
    [
        ({}, "not tried on the real server"),
        ({"sim×real": tried(5)}, "confirmed on the real server (5 of 5)"),
        ({"sim×real": tried(0)}, "not reproduced on the real server (0 of 5)"),
        ({"sim×real": LACKING}, "not tried on the real server (no such server)"),
        ({"real×fake": tried(3)}, "not tried on the real server; real×fake 3 of 5"),
        (
            {"sim×real": tried(0), "real×fake": tried(5), "real×real": tried(1)},
            "confirmed on the real server (sim×real 0 of 5, real×real 1 of 5); real×fake 5 of 5",
        ),
        (
            {"sim×real": tried(0), "real×real": LACKING},
            "not reproduced on the real server (0 of 5)",
        ),
    ],
)
def test_the_line(failure: Failure, confirmed: dict[str, Confirmation], line: str) -> None:
    assert confirmed_line(replace(failure, confirmed=confirmed)) == line


def test_a_server_of_ones_own_is_the_real_one_over_real_sockets(failure: Failure) -> None:
    own = replace(failure, server="own")
    assert confirmed_line(own) == ""
    over = replace(own, confirmed={"real×own": tried(5)})
    assert confirmed_line(over) == "confirmed over real sockets (5 of 5)"


@pytest.mark.parametrize("verdict", ["ok", "void"])
def test_what_did_not_fail_needs_no_confirming(failure: Failure, verdict: str) -> None:
    passed = replace(failure, judgement=Judgement((verdict,)))
    assert confirmed_line(passed) == ""
    assert "real server" not in timeline_text(passed) + short_story(passed)


def test_every_telling_has_it(failure: Failure) -> None:
    found = replace(failure, confirmed={"sim×real": tried(4)})
    line = "confirmed on the real server (4 of 5)"
    assert timeline_text(found).splitlines()[1] == line
    assert short_story(found).splitlines()[0].endswith(f"fake server; {line}")
    assert len(short_story(found).splitlines()) == len(short_story(failure).splitlines())
    assert f'<p class="where">{line}</p>' in html_page(found)
    assert in_words(found).endswith(f" C{line[1:]}.")
    title = sequence_diagram(found).splitlines()[2]
    assert title.endswith(f"fake server, {line}")


def test_the_rest_is_marked(failure: Failure) -> None:
    line = "not tried on the real server"
    assert timeline_text(failure).splitlines()[1] == line
    assert line in short_story(failure).splitlines()[0]
    assert line in html_page(failure)
