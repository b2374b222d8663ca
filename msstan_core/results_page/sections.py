"""What the page of results shows, in which order: one section a result file."""

from __future__ import annotations

from msstan_core.benchmark.aims import AIM_OF
from msstan_core.results_page.section import Aim, Row, Section

_BY = (
    ("by_action", "By action"),
    ("by_imperfection", "By imperfection"),
    ("by_material", "By material pair"),
    ("by_process", "By process"),
    ("by_subset", "By sensors"),
)

_SIMULATED = (
    Row("action_accuracy", "action accuracy", Aim(0.92)),
    Row("imperfection_f1", "imperfection F1 at the card's thresholds, mean over kinds", Aim(0.85)),
    Row("ece", "ECE of the published action", Aim(0.032, at_most=True)),
    Row("action_macro_f1", "action macro-F1"),
    Row("action_recall", "action recall, mean over actions"),
    Row("action_auc", "action AUC, one against the rest"),
    Row("action_map", "action mAP"),
    Row("imperfection_auc", "imperfection AUC, mean over kinds"),
    Row("imperfection_map", "imperfection mAP"),
    Row("imperfections_detected", "imperfections reported, share"),
    Row("imperfection_onset_delay_s", "from onset to report, s"),
    Row("false_suspicions_per_hour", "suspicions without a cause an hour, all kinds together"),
    Row("imperfections_alarmed", "imperfections with an alarm, share"),
    Row("false_alarms_per_hour", "alarms without a cause an hour, all kinds together"),
    Row("attention_on_key_frames", "temporal attention within 0.5 s of an onset, share"),
    Row("even_on_key_frames", "the same if all ticks of a window counted alike"),
    Row("attention_on_background", "spatial attention farther than 10 mm from the seam, share"),
    Row("even_on_background", "the same if all of the picture counted alike"),
)

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

SECTIONS: tuple[Section, ...] = (
    Section(
        "phases",
        "Phases of real robotic MIG welds",
        "Microphone alone, telemetry withheld because the labels are computed from it; each configuration left out in "
        "turn. `macro_f1` is taken at the common shift of the labels that fits best, because their clock is only known "
        "up to an offset.",
        (
            Row("macro_f1", "macro-F1 over four phases", Aim(0.95)),
            Row("boundary_error_s", "error of a boundary, s"),
            Row("ece", "ECE", Aim(0.032, at_most=True)),
            Row("macro_f1_unshifted", "macro-F1 without the shift"),
            Row("macro_f1_raw", "macro-F1 without the action filter, unshifted"),
        ),
        command="msstan cross-validate config/training/mig_phases.yaml --withhold camera --data BAGS --json "
        "docs/results/phases.json",
    ),
    Section(
        "phases_pretrained",
        "Phases, pretrained on simulation",
        "The same real welds and microphone; trained on simulated welds first, then on the real ones not left out.",
        (
            Row("macro_f1", "macro-F1 over four phases", Aim(0.95)),
            Row("boundary_error_s", "error of a boundary, s"),
            Row("ece", "ECE", Aim(0.032, at_most=True)),
        ),
        command="msstan cross-validate config/training/mig_phases.yaml --regime pretrained --withhold camera thermal "
        "telemetry --data SIMULATED REAL --json docs/results/phases_pretrained.json",
    ),
    Section(
        "phases_memory",
        "Phases, pretrained, with a recurrent memory",
        "As the one before, by the network with a memory beyond its windows, as the shipped model has it; the other "
        "files of phases are of the network without. That there is a memory, what it reads and its warm-up were chosen "
        "by short trainings scored on these recordings.",
        (
            Row("macro_f1", "macro-F1 over four phases", Aim(0.95)),
            Row("macro_f1_raw", "macro-F1 without the action filter"),
            Row("boundary_error_s", "error of a boundary, s"),
            Row("ece", "ECE", Aim(0.032, at_most=True)),
        ),
        command="msstan cross-validate config/training/mig_phases.yaml --regime pretrained --withhold camera thermal "
        "telemetry --data SIMULATED REAL --json docs/results/phases_memory.json",
    ),
    Section(
        "phases_simulated",
        "Phases, trained on simulation only",
        "The same real welds and microphone; no real weld was ever seen in training.",
        (Row("macro_f1", "macro-F1 over four phases"), Row("boundary_error_s", "error of a boundary, s")),
        command="msstan cross-validate config/training/mig_phases.yaml --regime simulated --withhold camera thermal "
        "telemetry --data SIMULATED REAL --json docs/results/phases_simulated.json",
    ),
    Section(
        "phases_camera",
        "Phases with the camera",
        "The one real recording that has both microphone and camera, left out with its configuration.",
        (Row("macro_f1", "macro-F1 over four phases"), Row("boundary_error_s", "error of a boundary, s")),
    ),
    Section(
        "thermal",
        "Arc or no arc from a thermal camera alone",
        "Real recordings that no model was trained on.",
        (
            Row("arc_accuracy", "arc burning or not, accuracy"),
            Row("accuracy", "action accuracy, mean over recordings"),
            Row("arc_off_delay_s", "arc out said late, s"),
        ),
        command="msstan evaluate models/default --modalities thermal --data BAGS --json docs/results/thermal.json",
    ),
    Section(
        "ut_interaction",
        "UT-Interaction, set 1",
        "Leave one sequence out; a public set of human interactions, to compare the camera path with the literature.",
        (
            Row("accuracy", "accuracy", Aim(0.93)),
            Row("accuracy_of_averaged_seeds", "accuracy of the seeds' averaged probabilities"),
        ),
        (
            ("by_action", "By action, averaged seeds"),
            ("chosen", "Chosen by inner folds for each sequence left out"),
            ("inner_loss", "Log loss on inner folds, by sequence left out"),
        ),
        "msstan study ut-interaction DATA --json docs/results/ut_interaction.json",
    ),
    Section(
        "simulated_unseen_welds",
        "Simulated welds of known materials: actions and imperfections",
        "The shipped model on random welds that it was neither trained nor calibrated on, of the materials it knows. "
        "Spread over resamples of the bags where a figure is over all ticks.",
        _SIMULATED,
        _BY,
        "msstan simulate --random 40 --seed 200 --out-dir BAGS; msstan evaluate models/default --data BAGS --json "
        "docs/results/simulated_unseen_welds.json",
    ),
    Section(
        "simulated",
        "Simulated welds of unseen materials: actions and imperfections",
        "Networks of the recipe of model 0.6, trained for 1600 steps on welds without copper and magnesium, judged on "
        "welds of copper with stainless steel, of magnesium, and of magnesium with aluminium.",
        _SIMULATED,
        _BY,
        "msstan train config/training/default.yaml --steps 1600 --seed N --data WELDS_OF_OTHER_METALS --out MODEL_N; "
        "msstan simulate --random 40 --seed 5000 --materials copper+stainless_steel,magnesium,aluminium+magnesium "
        "--out-dir BAGS; msstan evaluate MODEL_0 MODEL_1 ... --data BAGS --json docs/results/simulated.json",
    ),
    Section(
        "transfer",
        "Transfer to other materials",
        "Pretrained on some material pairs, adapted to others from few labelled welds; beside training from scratch. "
        "The trainings are short: compare these rows with each other only. The embeddings before adaptation, by "
        "t-SNE:\n\n![t-SNE of the embeddings](images/transfer.png)",
        (
            Row("accuracy_drop", "accuracy lost on the new materials before adaptation"),
            Row("gain", "gained by adaptation"),
            Row("scratch", "trained from scratch on the same few welds"),
        ),
    ),
    Section(
        "ablation",
        "Ablation",
        "Networks with every mechanism on (full) and with all but one, trained alike and shortly on simulated welds, "
        "judged tick by tick on metals that none has seen, without action filter. change: against full, seed by seed; "
        "below 0 the mechanism helped.",
        command="msstan study ablation --data BAGS --steps 600 --seeds 5 --json docs/results/ablation.json",
    ),
    Section(
        "peers",
        "Peers",
        "The same welds, seeds and training budget in seconds for all; a budget this short compares how fast models "
        "learn, not what they can become.",
        details=(("ms_stan_is_behind", "Ahead of MS-STAN"), ("notes", "Protocol")),
        command="msstan study peers config/training/default.yaml --data BAGS --phases BAGS "
        "--json docs/results/peers.json",
    ),
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
        "As before, with the limits it is shipped with: model 0.8.2, whose weights and limits the later ones have. "
        "One alarm in so short a time says little of the rate.",
        (
            _FALSE_ALARMS,
            *_SAID,
            Row("hours", "hours of nominal welds"),
        ),
        command="msstan study false-alarms models/default --hours 1.3 --faulty 60 "
        "--json docs/results/false_alarms_shipped.json",
    ),
    Section(
        "false_alarms_unseen",
        "False alarms on simulated nominal welds of metals never seen",
        "A network of the recipe of model 0.6, trained for 1600 steps on welds without copper and magnesium, with "
        "alarm limits from nominal welds of the metals that it knows, before nominal welds of copper with stainless "
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
        "Share of what a shift costs that adaptation wins back, and its worst case against frozen weights.",
        (
            Row("recovered_fraction", "recovered share"),
            Row("worst_vs_frozen_points", "worst stream against frozen weights, points"),
        ),
    ),
    Section(
        "closed_loop",
        "Closed loop",
        "Simulated welds with monitor and gate against the programme alone; see [closed_loop.md](closed_loop.md).",
        (
            Row("imperfection_time_ratio", "imperfection time, share of the programme alone", Aim(0.5, at_most=True)),
            Row("wps_violations", "violations of the procedure", Aim(0.0, at_most=True)),
        ),
        command="msstan closed-loop --welds 50 --json docs/results/closed_loop.json --page docs/closed_loop.md",
    ),
    Section(
        "closed_loop_live",
        "Closed loop over DDS",
        "A part of the study with cell, monitor and gate as processes, and the same welds in one process; see "
        "[closed_loop.md](closed_loop.md).",
        (
            Row("imperfection_time_ratio", "imperfection time, share of the programme alone", Aim(0.5, at_most=True)),
            Row("more_than_in_process_s", "more of it a weld than in one process, s"),
            Row("delay_s", "detection delay, s"),
            Row("wps_violations", "violations of the procedure", Aim(0.0, at_most=True)),
        ),
        command="msstan closed-loop-live --welds 50 --jobs 2 --json docs/results/closed_loop_live.json",
    ),
    Section(
        "faults",
        "Failures between monitor and robot",
        "Monitor, gate and clocks fail in seeded runs; the robot has to be back at its programmed setpoints within the "
        "bounds of [robot_interface.md](robot_interface.md).",
        (
            Row("returned_within_bound", "back within the bound, share of the runs", Aim(1.0)),
            Row("wps_violations", "violations of the procedure", Aim(0.0, at_most=True)),
        ),
        command="msstan study failures --runs 50 --json docs/results/faults.json",
    ),
    Section(
        "bench",
        "Speed",
        "Medians and p99 of one run, everything measured in turns on the machine named below. Compare the ratios.",
        (
            Row("tick_ms", "a tick with all sensors, ms", AIM_OF["tick_ms"]),
            Row("end_to_end_ms", "stamp to message, ms", AIM_OF["end_to_end_ms"]),
            Row("backbone_ratio", "times the backbone alone", AIM_OF["backbone_ratio"]),
            Row("ratio_x3d_xs", "times faster than X3D-XS", AIM_OF["ratio_x3d_xs"]),
            Row("ratio_r3d_18", "times faster than 3D ResNet-18", AIM_OF["ratio_r3d_18"]),
            Row("ratio_slowfast", "times faster than SlowFast", AIM_OF["ratio_slowfast"]),
            Row("rss_mb", "memory, MB", AIM_OF["rss_mb"]),
        ),
        command="msstan bench --json docs/results/bench.json",
    ),
    Section("offsets", "Stream offsets", "Estimated clock offsets of the real recordings' streams."),
    Section("realism", "Realism of the simulator", "Distances between simulated and real recordings."),
)
