"""Networks on samples of their task: what they put out, and what some of their neurons do."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from analysis.figures.drawing.drawing import Drawing, MissingFigure, new_figure
from analysis.figures.drawing.panels import panels, same_limits
from analysis.figures.drawing.style import FAINT, INK, MUTED, WIDTH, both_ways_log
from analysis.judgement.assessment import Assessment
from analysis.judgement.missing_data import not_recorded
from analysis.results.neurons import ExampleNetwork
from analysis.results.study import ConditionInfo
from analysis.text import listed

Array = NDArray[np.float32]


def example_outputs(a: Assessment) -> Drawing | MissingFigure:
    """Outputs over time, with the target, of one network per condition on a few samples."""
    name, title = "example_outputs", "Example outputs"
    shown, info = a.neurons.shown, a.results.info
    if not shown:
        return MissingFigure(name, title, *not_recorded(a.results))
    by_name = {c.name: c for c in info.conditions}
    columns = max(len(s.examples.samples) for s in shown)
    figure = new_figure(WIDTH, 0.7 + 0.82 * len(shown))
    grid = figure.subplots(len(shown), columns, squeeze=False)
    for row, own in zip(grid, shown, strict=True):
        for place, axes in enumerate(row):
            _output_panel(axes, own, place, by_name[own.condition])
        row[0].set_ylabel(own.condition, color=INK, rotation=0, ha="right", va="center")
    same_limits(list(grid.flat))
    for place, axes in enumerate(grid[0]):
        axes.set_title(_sample(shown[0], place), loc="left", color=MUTED, fontsize=8)
    figure.supxlabel("time (ms)", color=MUTED, fontsize=9)
    classes = shown[0].examples.classes is not None
    what = (
        "Outputs before the softmax, over time; colour: that of the right class, grey: the others."
        if classes
        else "Colour: the network's output over time; grey: its target."
    )
    data = "test data" if info.task.held_out else "data that it was trained on"
    caption = f"{what} A column a sample, numbered as in the {data}. {_seeds(shown)} Nothing was chosen by its result."
    alternative = "Outputs of a network of each condition on a few samples, over time"
    return Drawing(name, title, alternative, caption, figure, _outputs_table(shown))


def _output_panel(axes: Axes, own: ExampleNetwork, place: int, condition: ConditionInfo) -> None:
    examples, color = own.examples, condition.style.color
    axes.tick_params(labelsize=7)
    axes.grid(axis="y")
    if place >= len(examples.samples):
        return
    if examples.targets is not None:
        axes.plot(examples.times, examples.targets[place], color=MUTED, lw=2.4, alpha=0.45)
        axes.plot(examples.times, examples.outputs[place], color=color, lw=1.2)
    elif examples.classes is not None:
        right = int(examples.classes[place])
        axes.plot(examples.times, np.delete(examples.outputs[place], right, axis=1), color=FAINT, lw=0.7)
        axes.plot(examples.times, examples.outputs[place, :, right], color=color, lw=1.6)


def example_activity(a: Assessment) -> Drawing | MissingFigure:
    """Firing (RNN, LSTM: hidden state) of a few neurons over time, on the first sample."""
    name, title = "example_activity", "Example activity"
    shown = a.neurons.shown
    if not shown:
        return MissingFigure(name, title, *not_recorded(a.results))
    found = {s.condition: s.examples.activity for s in shown if s.examples.activity.shape[2]}
    if not found:
        return MissingFigure(
            name, title, "No network names its hidden tensor.", 'Name it: network_of_module(..., hidden="cell").'
        )
    return _courses(a, name, title, "firing, or hidden state", found)


def after_spike_currents(a: Assessment) -> Drawing | MissingFigure:
    """After-spike currents of a few neurons over time, on the first sample."""
    name, title = "after_spike_currents", "After-spike currents over time"
    found = {s.condition: s.examples.after_spike for s in a.neurons.shown if s.examples.after_spike is not None}
    if found:
        return _courses(a, name, title, "after-spike current", found)
    if all(c.features.get("after-spike currents", "none") == "none" for c in a.results.info.conditions):
        return MissingFigure(name, title, "No condition has after-spike currents.", "Add one that has, such as LHetA.")
    return MissingFigure(name, title, *not_recorded(a.results, glifr=True))


def _courses(a: Assessment, name: str, title: str, label: str, values: dict[str, Array]) -> Drawing:
    """One panel per condition, one line per neuron. values: [K,T,N] by condition; the first sample is drawn."""
    info, shown = a.results.info, {s.condition: s for s in a.neurons.shown}
    conditions = tuple(c for c in info.conditions if c.name in values)
    figure, flat = panels(conditions, info.reference)
    for axes, condition in zip(flat, conditions, strict=True):
        own, times = values[condition.name][0], shown[condition.name].examples.times
        for neuron, course in enumerate(own.T):
            # lighter and darker by turns, so that neighbours are told apart
            axes.plot(times, course, color=condition.style.color, lw=1.1, alpha=1 - 0.1 * (neuron % 7))
    figure.supxlabel("time (ms)", color=MUTED, fontsize=9)
    figure.supylabel(label, color=MUTED, fontsize=9)
    both = both_ways_log(flat[0], max(float(np.abs(own[0]).max()) for own in values.values()))
    neurons = max(own.shape[2] for own in values.values())
    caption = (
        f"{neurons} neurons of a network, evenly spaced in its order, on the first sample of the figure of example "
        f"outputs. {_seeds([shown[c.name] for c in conditions])}"
        + (" Summed over the currents j of a neuron." if name == "after_spike_currents" else "")
        + (" The axis is logarithmic beyond \N{PLUS-MINUS SIGN}1." if both else "")
    )
    frames = []
    for condition in conditions:
        examples = shown[condition.name].examples
        numbers, step = np.meshgrid(examples.neurons, np.arange(len(examples.times)))
        frames.append(
            pd.DataFrame(
                {"condition": condition.name, "seed": shown[condition.name].seed, "neuron": numbers.ravel()}
                | {"time_ms": examples.times[step.ravel()], "value": values[condition.name][0].ravel()}
            )
        )
    alternative = f"{label.capitalize()} of a few neurons over time, one panel per condition"
    return Drawing(name, title, alternative, caption, figure, pd.concat(frames, ignore_index=True))


def _seeds(shown: Sequence[ExampleNetwork]) -> str:
    each = sorted({s.seed for s in shown})
    if len(each) == 1:
        return f"One network per condition: seed {each[0]}, the lowest."
    return f"One network per condition, that of its lowest seed ({listed([f'{s.condition} {s.seed}' for s in shown])})."


def _sample(own: ExampleNetwork, place: int) -> str:
    examples = own.examples
    if place >= len(examples.samples):
        return ""
    of_class = f", class {int(examples.classes[place])}" if examples.classes is not None else ""
    return f"sample {int(examples.samples[place]) + 1}{of_class}"


def _outputs_table(shown: Sequence[ExampleNetwork]) -> pd.DataFrame:
    """condition, seed, sample, class, output, time_ms, value, target; class or target is empty."""
    frames = []
    for own in shown:
        examples = own.examples
        sample, step, output = (index.ravel() for index in np.indices(examples.outputs.shape))
        frames.append(
            pd.DataFrame(
                {
                    "condition": own.condition,
                    "seed": own.seed,
                    "sample": examples.samples[sample] + 1,
                    "class": None if examples.classes is None else examples.classes[sample],
                    "output": output,
                    "time_ms": examples.times[step],
                    "value": examples.outputs.ravel(),
                    "target": None if examples.targets is None else examples.targets.ravel(),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
