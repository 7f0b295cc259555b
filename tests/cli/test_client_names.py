"""Names in tables: shortened in the middle, and whole where there is room."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from race_harness.cli.client_names import ClientName, shortened

LONG = "/home/me/src/software-agent-sdk/checkouts/own_client.py:Right"


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (100, LONG),
        (len(LONG), LONG),
        (50, "/home/me/src/…/checkouts/own_client.py:Right"),
        (36, "/home/me/src/…/own_client.py:Right"),
        (24, "/…/own_client.py:Right"),
        (20, "…own_client.py:Right"),
        (9, "…py:Right"),
    ],
)
def test_parts_in_the_middle_go_first(width: int, text: str) -> None:
    assert shortened(LONG, width) == text
    assert len(text) <= width


@pytest.mark.parametrize("width", range(2, 70))
def test_it_always_fits_and_ends_as_the_path_does(width: int) -> None:
    text = shortened(LONG, width)
    assert len(text) <= width
    assert LONG.endswith(text.rpartition("…")[2])


def lines(width: int, name: ClientName) -> list[str]:
    table = Table("client", "rate")
    table.add_row(name, "100 / 100")
    out = io.StringIO()
    Console(file=out, width=width).print(table)
    return out.getvalue().splitlines()


def test_a_table_gives_the_room_that_it_has() -> None:
    wide, narrow = (lines(width, ClientName(LONG, "1.0")) for width in (100, 40))
    assert any(LONG in line for line in wide)
    assert any("/…/own_client.py:Right" in line for line in narrow)
    for line in (*wide, *narrow):
        assert cell_len(line) <= 100
    assert any("(1.0)" in line for line in narrow)


def test_a_release_is_told_once() -> None:
    assert sum("1.10.0" in line for line in lines(80, ClientName("1.10.0", "1.10.0"))) == 1
