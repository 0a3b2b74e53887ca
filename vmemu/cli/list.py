"""``vmemu list``: what there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from vmemu.cli.options import examples, json_option

if TYPE_CHECKING:
    from vmemu.lab.scenario import Formula, Parameter, Scenario

__all__ = ["command"]

_KINDS = ("schemes", "scenarios", "guests")


@click.command(
    "list",
    epilog=examples(
        "vmemu list",
        "vmemu list scenarios",
        "vmemu list --json guests",
    ),
    short_help="Show schemes, scenarios, guests.",
)
@json_option
@click.argument("what", required=False, type=click.Choice(_KINDS))
def command(what: str | None, as_json: bool) -> None:
    """Show the reverse maps, the scenarios, and the guests that come with vmemu.

    Under each scenario stands what is derived for it, in terms of its parameters.
    """
    kinds = (what,) if what else _KINDS
    if as_json:
        collect: dict[str, Callable[[], Any]] = {
            "schemes": _schemes,
            "scenarios": _scenarios,
            "guests": _guests,
        }
        found = {kind: collect[kind]() for kind in kinds}
        click.echo(json.dumps(found[what] if what else found, indent=2))
        return
    for i, kind in enumerate(kinds):
        if len(kinds) > 1:
            click.echo(("\n" if i else "") + kind)
        if kind == "scenarios":
            _show_scenarios()
        else:
            _show(_schemes() if kind == "schemes" else _guests())


def _schemes() -> dict[str, str]:
    from vmemu.rmap import schemes

    return {name: scheme.summary for name, scheme in schemes().items()}


def _guests() -> dict[str, str]:
    from vmemu.lab.guests import guest_summaries

    return guest_summaries()


def _scenarios() -> dict[str, dict[str, Any]]:
    from vmemu.lab.scenarios import scenarios

    return {
        name: {
            "section": scenario.section,
            "summary": scenario.summary,
            "guest": scenario.guest,
            "parameters": {p.name: p.default for p in scenario.parameters},
            "predictions": {
                figure: {scheme: formula.text for scheme, formula in formulas.items()}
                for figure, (formulas, _) in _predictions(scenario).items()
            },
        }
        for name, scenario in scenarios().items()
    }


def _show(summaries: dict[str, str]) -> None:
    width = max(map(len, summaries), default=0)
    for name, summary in summaries.items():
        click.echo(f"  {name:<{width}}  {summary}")


def _show_scenarios() -> None:
    from vmemu.lab.scenarios import scenarios

    for name, scenario in scenarios().items():
        click.echo(f"  {_title(name, scenario)}")
        click.echo(f"      {scenario.summary}")
        for figure, (formulas, why) in _predictions(scenario).items():
            click.echo(f"      {figure}: {_formulas(formulas)}" + (f"  ({why})" if why else ""))


def _title(name: str, scenario: Scenario) -> str:
    """How it is called for, and what can be set."""
    section = [f"({scenario.section})"] if scenario.section else []
    return " ".join([name, *map(_parameter, scenario.parameters), *section])


def _parameter(parameter: Parameter) -> str:
    more = "".join(f"|{c}" for c in parameter.choices if c != parameter.default)
    return f"{parameter.name}={parameter.default}{more}"


def _predictions(scenario: Scenario) -> dict[str, tuple[dict[str, Formula], str]]:
    """By figure: the formulas by scheme, and the first reason that is given.

    After vmemu's own schemes come those that formulas name besides, which are not loaded.
    """
    from vmemu.rmap import predicted

    found: dict[str, tuple[dict[str, Formula], str]] = {}
    for scheme in predicted():
        for figure, (formula, why) in scenario.expected(scheme).items():
            formulas, reason = found.get(figure, ({}, ""))
            found[figure] = (formulas | {scheme: formula}, reason or why)
    for each in scenario.expectations:
        formulas, reason = found.get(each.figure, ({}, ""))
        named = {name: text for name, text in each.formulas.items() if name is not None}
        found[each.figure] = (formulas | named, reason or each.why)
    return found


def _formulas(formulas: dict[str, Formula]) -> str:
    from vmemu.rmap import predicted

    by_text: dict[str, list[str]] = {}
    for scheme, formula in formulas.items():
        by_text.setdefault(formula.text, []).append(scheme)
    if len(by_text) == 1 and set(formulas) >= set(predicted()):
        return next(iter(by_text))
    return ", ".join(f"{'/'.join(names)} {text}" for text, names in by_text.items())
