"""Names in tables get the room that there is."""

import io

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from race_harness.cli.client_names import ClientName, Sentence

LONG = "/home/me/src/software-agent-sdk/checkouts/own_client.py:Right"


def lines(width: int, name: ClientName | Sentence) -> list[str]:
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


def test_a_path_in_a_sentence_is_shortened_and_the_other_words_wrap() -> None:
    reason = f"{LONG} has no agent server of its own"
    told = lines(50, Sentence(reason))
    assert any("/…/own_client.py:Right " in line for line in told)
    assert any("has no agent server of its own" in line for line in told)
    assert any(reason in line for line in lines(130, Sentence(reason)))


def test_a_name_of_two_parts_is_broken_between_them_and_not_cut() -> None:
    wide, narrow = (lines(width, ClientName("reference:eager", "0.1.0")) for width in (40, 28))
    assert any("reference:eager" in line for line in wide)
    assert any("reference: " in line for line in narrow)
    assert any(" eager " in line for line in narrow)
    assert not any("…" in line for line in narrow)
    long = lines(28, ClientName("reference:listens-for-status", "0.1.0"))
    assert [part in "".join(long) for part in ("reference:", "listens-for-", "status")] == [
        True
    ] * 3
