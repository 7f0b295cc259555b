"""What was kept is tried once on the real server, and told confirmed first; and the tables."""

from dataclasses import replace
from pathlib import Path

from rich.console import Console
from soak_rig import PLAN, Disorderly, records, run

from race_harness.campaign.baseline import find_baseline, measure, samples
from race_harness.cli.soak_tables import soak_markdown, soak_table
from race_harness.model.confirmation import Confirmation
from race_harness.model.failure import Failure
from race_harness.soak.kept import Kept, confirm_all, ranked
from race_harness.soak.plan import Plan
from race_harness.soak.results import SoakSummary, summarise
from race_harness.soak.work import Soak
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.series import Key
from race_harness.store.store import Store
from race_harness.story.reproduced import confirmed_line

BAD = Key("two", 1)


def two_causes(key: Key, number: int) -> str:
    if key != BAD or number % 10:
        return "ok"
    return "lost it was" if number == 50 else "late | 3 events"


def confirmed(failure: Failure, reproduced: int) -> Failure:
    verdicts = {failure.judgement.headline: reproduced}
    one = Confirmation(5, reproduced, verdicts, failure.resolved_version, "1.58.0")
    return replace(failure, confirmed={"sim×real": one})


def test_each_is_tried_once_and_confirmed_ones_come_first(tmp_path: Path) -> None:
    tried: list[str] = []

    def on_real_server(failure: Failure, path: Path) -> Failure:
        assert Failure.read(path) == failure
        tried.append(failure.judgement.headline)
        return confirmed(failure, 5 if failure.judgement.headline == "lost" else 0)

    with Store(None) as store:
        campaign = store.campaign("soak", PLAN.to_dict())
        run(campaign, Disorderly(two_causes), tmp_path)
        there = records(campaign)
        assert [kept.cause[:4] for kept in ranked(there, confirmed_line)] == ["late", "lost"]
        # Somebody has tidied up: the record has them still.
        for path in tmp_path.iterdir():
            path.unlink()
        confirm_all(there, [Key("one", 0), BAD], on_real_server, tmp_path)
        assert tried == ["late", "lost"]
        assert [kept.cause[:4] for kept in ranked(there, confirmed_line)] == ["lost", "late"]
        confirm_all(there, [BAD], on_real_server, tmp_path)
        assert len(tried) == 2
        confirm_all(there, [Key("two", 0)], on_real_server, tmp_path)
        assert len(tried) == 2


def told(folder: Path, plan: Plan) -> tuple[SoakSummary, list[Kept]]:
    with Store(None) as store:
        then = store.campaign("soak", {}, name="last night")
        run(then, Disorderly(), folder, plan)
        campaign = store.campaign("soak", plan.to_dict())
        work = run(campaign, Disorderly(two_causes), folder, plan)
        there = records(campaign, plan)
        baseline = find_baseline("last night", store, campaign.id)
        summary = summarise(
            *(campaign.id, plan, store, there),
            decisions=work.decisions,
            speeds={},
            known=frozenset({BAD}),
            measured=measure(samples(store, campaign.id), baseline),
        )
        return summary, ranked(there, confirmed_line)


def test_table_and_markdown_say_the_same(tmp_path: Path) -> None:
    tested = replace(PLAN, reps=None, test=SequentialTest(0.001, 0.02))
    summary, kept = told(tmp_path, tested)
    console = Console(width=200, record=True, file=(tmp_path / "table").open("w"))
    console.print(soak_table(summary, kept))
    table, markdown = console.export_text(), soak_markdown(summary, kept)
    for text in (table, markdown):
        for words in (
            "2 scenarios, seed 3, sim world, fake server, 1000 trials",
            "300 / 300 = 100.0 %",
            "passes at 300, none failed: below 1 %",
            "fails at 100, known to fail",
            "REGRESSED: pass rate, 10.0 points less, McNemar exact p = ",
            "no worse",
            "failure rate of 0.1 % (passes) against 2 % (fails), alpha 0.01, beta 0.01",
            "last night",
            "not tried on the real server",
            kept[0].replay,
        ):
            assert words in text
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert [row.count("|") - row.count("\\|") for row in rows] == [8] * 5


def test_without_baseline_and_test_there_is_less_to_say(tmp_path: Path) -> None:
    summary, _ = told(tmp_path, PLAN)
    text = soak_markdown(replace(summary, measured=None), [])
    assert "baseline" not in text
    assert "decision:" not in text
    assert "race replay" not in text


def test_what_a_record_names_outside_of_the_folder_stays_as_it_is(tmp_path: Path) -> None:
    """A record may be somebody else's: it names files that are to be written, or removed."""
    folder, theirs = tmp_path / "failures", tmp_path / "precious.json"
    theirs.write_text("precious")
    with Store(None) as store:
        campaign = store.campaign("soak", PLAN.to_dict())
        there = records(campaign)
        run(campaign, Disorderly(lambda key, _: "late" if key == BAD else "ok"), folder)
        ((failure, _),) = there[BAD].failures()
        there[BAD].failure(failure, theirs)

        def on_real_server(failure: Failure, path: Path) -> Failure:
            assert path.parent == folder
            return confirmed(failure, 5)

        confirm_all(there, [BAD], on_real_server, folder)
        # A soak that goes on with it meets the same cause at an earlier trial.
        there[BAD].failure(failure, theirs)
        soak = Soak(PLAN, there, failures=folder)
        soak._causes[BAD][str(failure.cause)] = (10_000, theirs)
        soak._keep(BAD, 0, failure)
    assert theirs.read_text() == "precious"
