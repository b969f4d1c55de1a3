"""Panels and variables as all dashboards of this project have them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

Mapped = Mapping[str, tuple[str, str]]
"""Values with the text and the colour that stand for them."""


def thresholds(steps: Mapping[int, str]) -> builders.ThresholdsConfig:
    """Green, and other colours from some values on; no colour where none is worse than another."""
    made = [dashboard.Threshold(value=None, color="green" if steps else "text")]
    made += [dashboard.Threshold(value=value, color=colour) for value, colour in steps.items()]
    return builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(made)


def mapping(values: Mapped) -> dashboard.ValueMap:
    """Texts and colours for values."""
    return dashboard.ValueMap(
        options={
            value: dashboard.ValueMappingResult(text=text, color=colour, index=place)
            for place, (value, (text, colour)) in enumerate(values.items())
        }
    )


def number(
    title: str,
    description: str,
    expression: str,
    *,
    unit: str = "short",
    steps: Mapping[int, str] | None = None,
    values: Mapped | None = None,
    none: str = "none",
) -> stat.Panel:
    """One number, coloured by ``steps`` or by the text that ``values`` have for it."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .height(4)
        .span(4)
        .unit(unit)
        .no_value(none)
        .mappings([mapping(values)] if values else [])
        .thresholds(thresholds(steps or {}))
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.VALUE)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(prometheus.Dataquery().ref_id("A").expr(expression).instant())
    )


def lines(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    unit: str = "short",
    stacked: bool = False,
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """Lines over time; ``queries`` are expressions by the legend of their series, which may have ``colours``."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .height(8)
        .span(8)
        .unit(unit)
        .min(0)
        .line_width(2)
        .fill_opacity(25 if stacked else 0)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            common_builders.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI))
    )
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    for place, (legend, expression) in enumerate(queries.items()):
        panel.with_target(prometheus.Dataquery().ref_id(ref(place)).expr(expression).legend_format(legend).range())
    for name, colour in (colours or {}).items():
        fixed = {"mode": "fixed", "fixedColor": colour}
        panel.override_by_name(name, [dashboard.DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def rows(
    title: str,
    description: str,
    queries: Mapping[str, str],
    *,
    columns: Mapping[str, Mapping[str, Any]],
    order: Sequence[str],
    sort: Iterable[str] = (),
    hidden: Iterable[str] = (),
    height: int = 8,
    span: int = 24,
) -> table.Panel:
    """A table whose rows are the label sets; ``queries`` are expressions by the column of their value.

    Args:
        title: of the panel.
        description: what to do.
        queries: the expressions.
        columns: Grafana's field options of columns.
        order: all columns, labels included.
        sort: columns, the highest value first.
        hidden: columns that are not shown.
        height: in the grid.
        span: in the grid, of 24.
    """
    single = len(queries) == 1
    values = {f"Value #{ref(place)}" if not single else "Value": column for place, column in enumerate(queries)}
    fields = {column: field for field, column in values.items()}
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .height(height)
        .span(span)
        .no_value("")
        .sort_by([common_builders.TableSortByFieldState().display_name(column).desc(True) for column in sort])
        .transformations(
            [
                dashboard.DataTransformerConfig(id_val="merge", options={}),
                dashboard.DataTransformerConfig(
                    id_val="organize",
                    options={
                        "excludeByName": dict.fromkeys(("Time", *(fields.get(h, h) for h in hidden)), True),
                        "indexByName": {fields.get(column, column): place for place, column in enumerate(order)},
                        "renameByName": {field: column for field, column in values.items() if column not in hidden},
                    },
                ),
            ]
        )
    )
    for place, expression in enumerate(queries.values()):
        query = prometheus.Dataquery().ref_id(ref(place)).expr(expression).instant().format(PromQueryFormat.TABLE)
        panel.with_target(query)
    for column, options in columns.items():
        panel.override_by_name(
            column, [dashboard.DynamicConfigValue(id_val=name, value=value) for name, value in options.items()]
        )
    return panel


def ref(place: int) -> str:
    """Grafana's name of a panel's query."""
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[place]


def begun(title: str, uid: str, description: str) -> builders.Dashboard:
    """A dashboard without panels, of the last hour, with the variable that says which Prometheus."""
    return (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["objectstore-sensor"])
        .readonly()
        .time("now-1h", "now")
        .refresh("30s")
        .timezone("browser")
        .with_variable(
            builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"),
        )
    )


def filled(board: builders.Dashboard, panels: Iterable[Builder[dashboard.Panel]]) -> builders.Dashboard:
    """The dashboard with the panels, from left to right, row by row."""
    for number, panel in enumerate(panels, start=1):
        board.with_panel(panel.id(number))
    return board


def matcher(label: str, *, one: bool = False) -> str:
    """Matches the values that the variable of the same name has; all of them may be chosen, unless it is ``one``."""
    return f'{label}="${label}"' if one else f'{label}=~"${label}"'


def choice_of(label: str, chosen: str, *, one: bool = False) -> builders.QueryVariable:
    """A variable with the values of a label among the sensors that those before it chose."""
    query = f"label_values(objectstore_watcher_build_info{{{chosen}}}, {label})"
    variable = (
        builders.QueryVariable(label)
        .label(label.capitalize())
        .datasource(SOURCE)
        .query({"query": query, "refId": label})
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
    )
    # Sensors that Flyte did not start have no workflow: all is anything, also nothing.
    return (
        variable
        if one
        else variable.multi(True)
        .include_all(True)
        .all_value(".*")
        .current(dashboard.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )
