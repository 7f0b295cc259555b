"""Rates, intervals and counts in the words that every table and report uses."""

import math
from collections.abc import Mapping


def rate(passed: int, judged: int) -> str:
    """Such as `639 / 1000 = 63.9 %`; `judged` are the trials that have a verdict."""
    return f"{passed} / {judged} {share(passed, judged)}" if judged else "no verdict"


def share(passed: int, judged: int) -> str:
    """The rate alone, with its sign: `= 63.9 %`, `> 99.9 %`; of at least one trial."""
    percent = f"{100 * passed / judged:.1f}"
    # One failure in 10 000 must not read as "100.0 %".
    if percent == "100.0" and passed < judged:
        return "> 99.9 %"
    if percent == "0.0" and passed > 0:
        return "< 0.1 %"
    return f"= {percent} %"


def interval(low: float, high: float) -> str:
    """In per cent, from shares of 1; rounded outwards, so never narrower than what is known."""
    return f"[{math.floor(1000 * low) / 10:.1f}, {math.ceil(1000 * high) / 10:.1f}]"


def counts(verdicts: Mapping[str, int], void: int) -> list[str]:
    """Such as `late 271`, one for each verdict, and the void trials last."""
    several = [f"{verdict} {count}" for verdict, count in verdicts.items()]
    return [*several, f"void {void}"] if void else several


def number(value: float) -> str:
    """Three significant digits or more."""
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f}"


def p_value(value: float) -> str:
    if value < 1e-12:
        return "p < 1e-12"
    return f"p = {value:.3f}" if value >= 0.001 else f"p = {value:.1e}"


def percent(share: float) -> str:
    """Such as `0.1 %`, from a share of 1, with as many digits as it needs up to three."""
    return f"{100 * share:.3g} %"
