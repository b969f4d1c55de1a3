"""Writes the README's tables from the code: ``make docs``. A test fails where they differ."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from objectstore_sensor import WaitForObjectStoreFile
from objectstore_watcher import cli, contract
from objectstore_watcher import manifests as manifest_module
from objectstore_watcher import patterns as pattern_module
from objectstore_watcher.errors import KINDS, Action, Kind
from objectstore_watcher.exits import EXITS
from objectstore_watcher.metrics import Metrics
from prometheus_client.metrics import MetricWrapperBase

from tests.bench import paper, published
from tools.dashboards.troubles import NONE, TROUBLES

README = Path(__file__).parent.parent / "README.md"


def sensor() -> str:
    """The arguments of the sensor, from its docstring and signature."""
    parameters = inspect.signature(WaitForObjectStoreFile.__init__).parameters
    rows = []
    for name, text in _documented(inspect.getdoc(WaitForObjectStoreFile) or ""):
        default = parameters[name].default
        named = default.__name__ if isinstance(default, type) else repr(default)
        shown = "" if default is inspect.Parameter.empty else f"`{named}`"
        rows.append((f"`{name}`", text, shown))
    return _table(("argument", "meaning", "default"), rows)


def _documented(docstring: str) -> Iterable[tuple[str, str]]:
    arguments = docstring.split("Args:\n")[1].split("\n\n", maxsplit=1)[0]
    for entry in re.split(r"\n    (?=\w)", "\n" + arguments)[1:]:
        name, _, text = entry.partition(":")
        yield name.strip(), " ".join(text.split()).replace("``", "`")


def flags() -> str:
    """The options of the watcher."""
    rows = [("`PATH`", "what to wait for", "")]
    for option in contract.options():
        default = "no" if option.default is False else option.default
        default = f"{default:g}" if default and not isinstance(default, str) else default
        rows.append((f"`{contract.flag(option.name)}`", option.metadata["help"], f"`{default}`" if default else ""))
    rows += [(f"`{contract.flag(name)}`", text, "") for name, (_, text) in cli.OWN_OPTIONS.items()]
    rows += [(f"`{contract.flag(name)}`", text, "`no`") for name, text in cli.SWITCHES.items()]
    return _table(("option", "meaning (durations: seconds, or `500ms`, `10s`, `5m`, `1h30m`)", "default"), rows)


def exits() -> str:
    """The exit codes of the watcher."""
    return _table(("exit code", "meaning"), [(f"{code.value}", text) for code, text in EXITS.items()])


def files() -> str:
    """The files of the contract, from its docstring."""
    rows = re.findall(r"^``([\w-]+)``\s+(main|watcher)\s+(.+)$", contract.__doc__ or "", re.MULTILINE)
    return _table(
        ("file", "writer", "meaning"), [(f"`{name}`", who, text.replace("`", "")) for name, who, text in rows]
    )


def patterns() -> str:
    """What patterns are made of, from their module's docstring."""
    rows = re.findall(r"^``(\S+)``\s+(.+)$", pattern_module.__doc__ or "", re.MULTILINE)
    return _table(("in a pattern", "stands for"), [(f"`{name}`", text.replace("``", "`")) for name, text in rows])


def manifests() -> str:
    """What manifests look like, from their module's docstring."""
    lines = (manifest_module.__doc__ or "").splitlines()
    begin, _, end = (number for number, line in enumerate(lines) if line.startswith("==="))
    width = lines[begin].index(" ")
    rows: list[list[str]] = []
    for line in lines[begin + 3 : end]:
        content, text = line[:width].strip(), line[width:].strip()
        if content:
            rows.append([content.replace("``", "`"), text])
        else:
            rows[-1][1] += " " + text
    cells = [(content, text.replace("``", "`")) for content, text in rows]
    return _table(("a manifest", "lists"), cells)


def errors() -> str:
    """The table of errors."""
    rows = [
        (f"`{kind.label}`", kind.cause, _action(kind), "yes" if kind.retryable else "no", kind.cure)
        for kind in KINDS.values()
    ]
    return _table(("kind", "cause", "the watcher will", "Flyte retries", "what to do"), rows)


def _action(kind: Kind) -> str:
    return f"{kind.action.value}, or {Action.WAIT.value}: `{kind.policy}`" if kind.policy else kind.action.value


def metrics() -> str:
    """The watcher's own metrics, from its registry."""
    declared = Metrics()
    labels = {each._name: each._labelnames for each in vars(declared).values() if isinstance(each, MetricWrapperBase)}
    rows = []
    for family in declared.registry.collect():
        if family.name.startswith("objectstore_watcher"):
            name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
            named = ", ".join(f"`{label}`" for label in labels.get(family.name, ()))
            rows.append((f"`{name}`", family.type, named, family.documentation))
    return _table(("metric", "type", "labels", "meaning"), rows)


def troubles() -> str:
    """What the dashboards call trouble, the worst first."""
    rows = [(trouble.name, trouble.cure) for trouble in TROUBLES if trouble is not NONE]
    return _table(("trouble", "what it is, and what to do"), rows)


def peers() -> str:
    """What waiting takes here and elsewhere, as it was measured."""
    return published.short_table(published.load()) + "\n"


def scale() -> str:
    """What many sensors take on one node, as it was measured."""
    return paper.scale_table(paper.load()) + "\n"


def on_paper() -> str:
    """What ten thousand would take, from that."""
    return paper.paper_table(paper.load()) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    table.__name__: table
    for table in (sensor, flags, exits, files, patterns, manifests, errors, metrics, troubles, peers, scale, on_paper)
}


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def with_tables(text: str) -> str:
    """``text`` with each table as the code has it."""
    for name, table in TABLES.items():
        place = re.compile(rf"(?<=<!-- table: {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        if not place.search(text):
            raise ValueError(f"README.md has no place for the table {name!r}")
        text = place.sub(table().replace("\\", r"\\"), text, count=1)
    return text


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
