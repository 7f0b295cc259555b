"""The harness's own digest."""

from pathlib import Path

from race_harness.model.fingerprint import digest_of, fingerprint


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
    root = Path(__file__).parents[2]
    package = root / "harness" / "race_harness"
    assert fingerprint() == digest_of([package, root / "scenarios"])


def test_it_is_the_same_wherever_the_scenarios_lie(tmp_path: Path) -> None:
    checkout, wheel = tmp_path / "checkout", tmp_path / "wheel"
    for scenarios in (checkout / "scenarios", wheel / "package" / "scenarios"):
        scenarios.mkdir(parents=True)
        (scenarios / "clean.py").write_text("SCENARIO = None\n")
    (checkout / "harness" / "package").mkdir(parents=True)
    for package in (checkout / "harness" / "package", wheel / "package"):
        (package / "module.py").write_text("answer = 42\n")
    once = digest_of([checkout / "harness" / "package", checkout / "scenarios"])
    assert digest_of([wheel / "package", wheel / "package" / "scenarios"]) == once
    assert digest_of([wheel / "package"]) != once
