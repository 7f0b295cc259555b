"""`docs/reference`: what is generated is what the code says."""

import pytest
from docs._tools import reference

from race_harness.cli.commands import COMMANDS
from race_harness.model.verdict import MEANINGS

PAGES = reference.pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_would_be_written(name: str) -> None:
    """Otherwise: uv run python docs/_tools/reference.py."""
    assert (reference.FOLDER / name).read_text(encoding="utf-8") == PAGES[name]


def test_nothing_is_left_out() -> None:
    for name, command in COMMANDS.items():
        section = PAGES["commands.md"].partition(f"\n## race {name}\n")[2].partition("\n## ")[0]
        for one in reference.parameters(name, command.function()):
            shown = one.opts if one.param_type_name == "option" else []
            assert all(f"`{option}" in section for option in shown), (name, shown)
    assert all(f"| `{verdict}` |" in PAGES["verdicts.md"] for verdict in MEANINGS)


def test_the_meaning_of_a_field_is_the_text_below_it() -> None:
    assert (
        "| `think_ms` | number, 0 to 3,600,000 | `200.0` | How long each step"
        in PAGES["schedule.md"]
    )
    assert (
        "| `nth` | integer, 1 to 10,000 or null | null | Which connection" in PAGES["schedule.md"]
    )
