"""What is made of the networks' answers: sections of the page of results."""

from __future__ import annotations

from msstan_core.results_page.section import Aim, Row, Section

_SMOOTHING = (
    Row("switches_per_true", "changes of action per true one", Aim(1.2, at_most=True)),
    Row("delay_ms", "added delay, ms", Aim(200.0, at_most=True)),
)

_FALSE_ALARMS = Row(
    "false_alarms_per_hour", "false alarms an hour, all kinds together", Aim(1.0, at_most=True, of="upper95")
)

_SAID = (
    Row("false_suspicions_per_hour", "false suspicions an hour, novelty included"),
    Row("alarmed", "imperfections with an alarm of any kind"),
    Row("suspected", "imperfections with a suspicion of any kind"),
)

DECISIONS: tuple[Section, ...] = (
    Section(
        "sampling",
        "Frame sampling",
        "Skipping frames by importance against looking at all of them.",
        (
            Row("time_saved", "time saved, share", Aim(0.30)),
            Row("f1_loss", "macro-F1 lost", Aim(0.005, at_most=True)),
        ),
    ),
    Section(
        "smoothing",
        "Action filter on real welds",
        "Filters over the same network outputs; see [decisions.md](decisions.md).",
        _SMOOTHING,
        command="msstan study smoothing config/training/mig_phases.yaml --folds BAGS --json "
        "docs/results/smoothing.json",
    ),
    Section(
        "smoothing_simulated",
        "Action filter on simulated welds",
        "The shipped model on welds of seeds that it was not trained on; see [decisions.md](decisions.md).",
        _SMOOTHING,
        command="msstan study smoothing --simulated BAGS --json docs/results/smoothing_simulated.json",
    ),
    Section(
        "anomaly",
        "Imperfections of set-ups never seen",
        "Real robotic MIG welds; set-ups are never split.",
        (
            Row("auc", "AUC, learnt from nominal welds only", Aim(0.88)),
            Row("auc_labelled", "AUC, learnt from labels, mean over folds", Aim(0.93)),
            Row("false_alarms_per_hour", "false alarms an hour of arc, beside the chosen rate"),
        ),
        command="msstan study anomaly TABLE --json docs/results/anomaly.json",
    ),
    Section(
        "false_alarms",
        "False alarms on simulated nominal welds",
        "Randomised welds without disturbances before the model named below, of seeds that it was neither trained nor "
        "calibrated on: every alarm is a false one. The shares of imperfections that are said, and the delays, are "
        "those of the same cell with disturbances.",
        (
            _FALSE_ALARMS,
            Row("false_alarms_per_arc_hour", "the same an hour of arc"),
            *_SAID,
            Row("own_limits_chosen_per_hour", "limits by one half of these welds, judged on the other: chosen rate"),
            Row("own_limits_false_alarms_per_hour", "the same: false alarms an hour"),
            Row("own_limits_alarmed", "the same: imperfections with an alarm of any kind"),
            Row("hours", "hours of nominal welds"),
        ),
        command="msstan study false-alarms models/default --hours 10 --faulty 120 --own-limits 0.5 "
        "--json docs/results/false_alarms.json",
    ),
    Section(
        "false_alarms_shipped",
        "False alarms of the shipped model's limits",
        "As before, with the limits that model 0.8.5 is shipped with. What they promise rests on "
        "what they were set from, 4.2 other hours (models/default/CARD.md).",
        (
            _FALSE_ALARMS,
            *_SAID,
            Row("hours", "hours of nominal welds"),
        ),
        command="msstan study false-alarms models/default --hours 10 --faulty 120 "
        "--json docs/results/false_alarms_shipped.json",
    ),
    Section(
        "false_alarms_unseen",
        "False alarms on simulated nominal welds of metals never seen",
        "A network of the recipe of model 0.6, trained for 1600 steps on welds without copper and magnesium, with "
        "alarm limits from nominal welds of the metals that it knows, watching nominal welds of copper with stainless "
        "steel, of magnesium, and of magnesium with aluminium. Then the same with limits that one half of these welds "
        "set, judged on the other half (nothing trained, no label), as msstan calibrate does with a cell's own welds.",
        (
            _FALSE_ALARMS,
            *_SAID,
            Row("own_limits_chosen_per_hour", "limits by one half of these welds, judged on the other: chosen rate"),
            Row(
                "own_limits_false_alarms_per_hour",
                "the same: false alarms an hour",
                Aim(1.0, at_most=True, of="upper95"),
            ),
            Row("own_limits_alarmed", "the same: imperfections with an alarm of any kind"),
            Row("hours", "hours of nominal welds"),
        ),
        command="msstan study false-alarms MODEL --materials copper+stainless_steel,magnesium,aluminium+magnesium "
        "--hours 10 --own-limits 1 --json docs/results/false_alarms_unseen.json",
    ),
    Section(
        "adaptation",
        "Online adaptation",
        "Share of what a shift costs that adaptation wins back with 5 % of the ticks labelled, and its worst case "
        "against frozen weights. What counts as the cost stands in the file's protocol.",
        (
            Row("recovered_fraction", "recovered share of what a change of material costs", Aim(0.5)),
            Row("recovered_late_fraction", "the same over the second half of each job"),
            Row("worst_vs_frozen_points", "worst stream against frozen weights, points"),
        ),
        command="msstan study adaptation config/training/default.yaml --seeds 3 --steps 1000 "
        "--data bags/simulated bags/real --json docs/results/adaptation.json",
    ),
)
