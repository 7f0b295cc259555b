"""The site of `docs/`: it builds, its links lead somewhere, and it fetches nothing."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docs._tools import site_links

ROOT = Path(__file__).parents[2]
OUTSIDE = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", config, "-d", site],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_it_builds_and_fetches_nothing(tmp_path: Path) -> None:
    done = build(ROOT / "mkdocs.yml", tmp_path)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "tutorial" / "flaky-test" / "index.html").read_text(encoding="utf-8")
    assert "assets/javascripts" in page
    assert re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="?https?:[^>]+', page) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("link", "says"),
    [
        ("other.md", None),
        ("gone.md", "gone.md"),
        ("other.md#gone", "#gone"),
        ("other", "unrecognized relative link"),
    ],
)
def test_a_link_that_leads_nowhere_ends_the_build(
    tmp_path: Path, link: str, says: str | None
) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "README.md").write_text(f"# One\n\n[link]({link})\n")
    (tmp_path / "docs" / "other.md").write_text("# Other\n")
    (tmp_path / "mkdocs.yml").write_text(
        f"INHERIT: {ROOT}/mkdocs.yml\ndocs_dir: docs\nhooks: []\nnav: [README.md, other.md]\n"
        "theme: {name: mkdocs}\n"
    )
    done = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert (done.returncode == 0) is (says is None), done.stderr
    assert says is None or says in done.stderr


def on_site(markdown: str) -> str:
    page = SimpleNamespace(file=SimpleNamespace(src_uri="how-to/page.md"))
    return site_links.on_page_markdown(markdown, page)


def test_on_the_site_a_link_to_the_code_is_its_name(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    # import-linter, which another test may have run before, disables the loggers that there are.
    monkeypatch.setattr(site_links._log, "disabled", False)
    assert on_site("[a](../reference/json.md)") == "[a](../reference/json.md)"
    assert on_site("[a\nb](../../conftest.py)") == "a\nb (`conftest.py`)"
    assert caplog.messages == []
    with caplog.at_level(logging.WARNING):
        on_site("[a](../../gone.py)")
    assert caplog.messages == ["how-to/page.md: there is no gone.py"]


@pytest.mark.parametrize("page", OUTSIDE, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_of_pages_outside_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith("http")]
    assert local
    assert [link for link in local if not (page.parent / link).exists()] == []


def shown(text: str) -> list[str]:
    """What commands print, line by line, in the blocks of a page."""
    parts = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line for part in parts for line in part.splitlines()]
    return [line for line in lines if line and not line.startswith("$ ")]


def test_the_readme_is_short_and_shows_what_the_tutorials_show() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    tutorials = "".join(
        page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "tutorial").glob("*.md")
    )
    assert len(shown(text)) > 10
    assert [line for line in shown(text) if f"{line}\n" not in tutorials] == []
