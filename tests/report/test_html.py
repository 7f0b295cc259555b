"""The page in a browser: all of it is drawn, nothing is loaded, and text stays text."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_rig import CONFIRMED, EARLY, HOSTILE, example, hostile, series

from race_harness.model.failure import Failure
from race_harness.report.charts import ChartCell, heat_map, heat_map_of
from race_harness.report.gather import gather
from race_harness.report.html import html_page
from race_harness.store.store import Store

BROWSER, DRIVER = Path("/usr/bin/chromium"), Path("/usr/bin/chromedriver")

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync"
)

needs_browser = pytest.mark.skipif(
    not (BROWSER.exists() and DRIVER.exists()),
    reason="needs Debian's chromium and chromium-driver in /usr/bin",
)


@pytest.fixture(scope="module")
def page() -> str:
    """Of a record in which some names are markup and others are not."""
    with Store(None) as store:
        example(store)
        hostile(store)
        return html_page(gather(store))


def test_the_page_asks_for_nothing(page: str) -> None:
    ours = page[: page.index("<script>")]
    assert "default-src &#39;none&#39;;" in ours or "default-src 'none';" in ours
    links = re.findall(r'\b(?:src|href|action)="([^"]*)"', ours)
    assert links
    assert {link[:5] for link in links if not link.startswith("#")} == {"data:"}
    assert not re.search(r"@import|url\(|fetch\(|XMLHttp", ours)


def test_whoever_has_the_page_has_the_failure_files(page: str) -> None:
    links = re.findall(r'download="([^"]*)" href="data:application/json;base64,([^"]*)"', page)
    told = [Failure.from_json(base64.b64decode(data).decode(), name) for name, data in links]
    assert CONFIRMED in told
    assert any(failure.judgement == EARLY.judgement for failure in told)
    assert all(re.fullmatch(r"[\w.+-]+\.json", name) for name, _ in links)


def test_a_heat_map_tells_what_was_left_out() -> None:
    cells = [ChartCell("1.0", "a", 99, 100), ChartCell("1.1", "a", skipped="cannot be installed")]
    spec = heat_map(cells, ["1.0", "1.1"], ["a"], column_title="release")
    ran, skipped = spec["datasets"]["cells"]
    assert (ran["rate"], ran["short"], ran["says"]) == (0.99, "99", "99 / 100 = 99.0 %")
    assert (skipped["rate"], skipped["says"]) == (None, "skipped: cannot be installed")


def test_what_was_left_out_has_a_place_in_the_heat_map_and_in_words() -> None:
    with Store(None) as store:
        example(store)
        atlas = store.campaign("atlas", {})
        for scenario in ("clean", "<i>other</i>"):
            atlas.skip(series("1.8.0", scenario), "cannot be <b>resolved</b>")
        report = gather(store)
    spec = heat_map_of(report, "sim×fake")
    skipped = [cell for cell in spec["datasets"]["cells"] if cell["skipped"]]
    assert [(cell["column"], cell["row"]) for cell in skipped] == [
        ("1.8.0", "clean"),
        ("1.8.0", "<i>other</i>"),
    ]
    # In the order of the releases, with those that were run.
    assert json.dumps(spec).index('"1.8.0"') < json.dumps(spec).index('"1.9.0"')
    told = "1.8.0: cannot be &lt;b&gt;resolved&lt;/b&gt; (clean, &lt;i&gt;other&lt;/i&gt;)"
    assert told in html_page(report)


@pytest.fixture(scope="module")
def browser(page: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A browser that shows the page; one for all tests."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    folder = tmp_path_factory.mktemp("browser")
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8", errors="replace")
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (
        *FLAGS.split(),
        f"--user-data-dir={folder / 'profile'}",
        "--window-size=1280,900",
    ):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        driver.set_script_timeout(60)
        driver.get(path.as_uri())
        drawn = driver.execute_async_script(
            "const [done] = arguments, root = document.documentElement;"
            "const tell = () => root.dataset.drawn && done(root.dataset.drawn);"
            "new MutationObserver(tell).observe(root, {attributes: true}); tell();"
        )
        assert int(drawn) == len(driver.find_elements("css selector", "[data-chart]"))
        yield driver
    finally:
        driver.quit()


def show(browser: Any, scheme: str, width: int) -> None:
    """Have the page in a scheme, `light` or `dark`, and a window so many pixels wide."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture
def seen(browser: Any, request: pytest.FixtureRequest) -> Any:
    """The browser in the scheme and of the width that the test asks for."""
    show(browser, *getattr(request, "param", ("light", 1280)))
    return browser


@needs_browser
@pytest.mark.browser
def test_nothing_is_complained_of_and_nothing_loaded(seen: Any) -> None:
    assert seen.get_log("browser") == []
    assert seen.execute_script("return performance.getEntriesByType('resource').length") == 0
    messages = (json.loads(entry["message"])["message"] for entry in seen.get_log("performance"))
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    # The browser's own pages are among them.
    assert any(url.startswith("file:") for url in asked)
    assert [url for url in asked if re.match(r"(http|ws|ftp)s?:", url)] == []
    # The browser would have told.
    seen.execute_script("console.error('told'); new Image().src = 'http://127.0.0.1:9/';")
    told = " ".join(entry["message"] for entry in seen.get_log("browser"))
    assert "told" in told
    assert "Content Security Policy" in told


@needs_browser
@pytest.mark.browser
def test_every_chart_has_its_marks(seen: Any) -> None:
    marks = seen.execute_script(
        "return Object.fromEntries([...document.querySelectorAll('[data-chart]')].map(place =>"
        " [place.dataset.chart, place.querySelectorAll("
        "'.mark-rect.role-mark path, .mark-symbol.role-mark path').length]))"
    )
    # Cells of three clients and three scenarios: what was run.
    assert marks["heat-map-0"] == 4
    assert {name for name, count in marks.items() if not count} == set()
    assert set(marks) == {"heat-map-0", "over-time", "over-releases", "virtual", "wall"}


@needs_browser
@pytest.mark.browser
def test_the_choice_of_a_scenario_reaches_the_charts(seen: Any) -> None:
    def clients() -> list[str]:
        texts = seen.execute_script(
            "return [...document.querySelectorAll('[data-chart=virtual] .role-axis-label text')]"
            ".sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)"
            ".map(text => text.textContent)"
        )
        return [text for text in texts if re.fullmatch(r"\d+\.\d+\.\d+", text)]

    for scenario, expected in (("clean", ["1.10.0"]), ("final-events", ["1.9.0", "1.10.0"])):
        seen.execute_async_script(
            "const [scenario, done] = arguments; select.value = scenario;"
            "choose(scenario).then(() => done());",
            scenario,
        )
        assert clients() == expected


@needs_browser
@pytest.mark.parametrize("seen", [("light", 1280), ("dark", 1280)], indirect=True)
@pytest.mark.browser
def test_words_are_readable_in_both_schemes(seen: Any) -> None:
    def brightness(selector: str, what: str) -> float:
        colour = seen.execute_script(
            "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]",
            *(selector, what),
        )
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    page = brightness("body", "background-color")
    for selector, what in (
        *(("body", "color"), (".chart .role-axis-label text", "fill")),
        *((".legend", "color"), (".timeline svg text", "fill")),
    ):
        assert abs(page - brightness(selector, what)) > 128, selector
    assert (
        seen.execute_script(
            "return getComputedStyle(document.querySelector('.chart svg')).backgroundColor"
        )
        == "rgba(0, 0, 0, 0)"
    )
    dark = seen.execute_script("return matchMedia('(prefers-color-scheme: dark)').matches")
    assert (page < 128) == dark


@needs_browser
@pytest.mark.browser
def test_the_page_is_no_wider_than_the_window(browser: Any) -> None:
    # Several times, since a chart is drawn anew a little after the window has changed.
    for width in (1280, 400) * 10:
        show(browser, "light", width)
        too_wide = browser.execute_script(
            "document.querySelectorAll('details').forEach(one => { one.open = true; });"
            "return document.documentElement.scrollWidth - innerWidth"
        )
        assert too_wide <= 0, width


@needs_browser
@pytest.mark.browser
def test_hostile_names_stay_text(seen: Any) -> None:
    assert not seen.execute_script("return document.querySelectorAll('[onclick]').length")
    text = seen.execute_script("return document.querySelector('#rates').textContent")
    assert HOSTILE in text
    inline = seen.execute_script(
        "return [...document.scripts].filter(one => one.textContent.length < 40).length"
    )
    assert inline == 0
