"""The harness's own digest."""

from pathlib import Path

from harness.fingerprint import digest_of, fingerprint


def test_an_edit_makes_it_another(tmp_path: Path) -> None:
    source = tmp_path / "package" / "module.py"
    source.parent.mkdir()
    source.write_text("answer = 42\n")
    once = digest_of([source.parent])
    assert digest_of([source.parent]) == once
    source.write_text("answer = 43\n")
    edited = digest_of([source.parent])
    source.rename(source.with_name("other.py"))
    assert len({once, edited, digest_of([source.parent])}) == 3


def test_it_covers_the_harness_and_the_scenarios() -> None:
    root = Path(__file__).parent.parent
    assert fingerprint() == digest_of([root / "harness", root / "scenarios"])
