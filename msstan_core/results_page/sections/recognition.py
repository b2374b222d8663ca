"""What the networks recognise: sections of the page of results."""

from __future__ import annotations

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
    Row("imperfections_detected", "imperfections suspected under their own name, mean over kinds"),
    Row("imperfection_onset_delay_s", "from onset to report, s"),
    Row("severity_error", "error of the severity said, mean over kinds that have one"),
    Row("severity_deviation", "the same of the labels' median in its place"),
    Row("false_suspicions_per_hour", "suspicions without a cause an hour, all kinds together"),
    Row("imperfections_alarmed", "imperfections alarmed under their own name, mean over kinds"),
    Row("false_alarms_per_hour", "alarms without a cause an hour, all kinds together"),
    Row("attention_on_key_frames", "temporal attention within 0.5 s of an onset, share"),
    Row("even_on_key_frames", "the same if all ticks of a window counted alike"),
    Row("attention_on_background", "spatial attention farther than 10 mm from the seam, share"),
    Row("even_on_background", "the same if all of the picture counted alike"),
)

RECOGNITION: tuple[Section, ...] = (
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
            Row("macro_f1_raw", "macro-F1 without the action filter"),
        ),
        command="msstan cross-validate config/training/mig_phases.yaml --withhold camera thermal "
        "telemetry --data REAL --json docs/results/phases.json",
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
        "by short trainings scored on these recordings; that simulation is learnt from for 1050 steps, after one "
        "network of five had learnt badly in 350 (0.936 ± 0.026 then), on these and on held-out simulated welds.",
        (
            Row("macro_f1", "macro-F1 over four phases", Aim(0.95)),
            Row("macro_f1_raw", "macro-F1 without the action filter"),
            Row("boundary_error_s", "error of a boundary, s"),
            Row("ece", "ECE", Aim(0.032, at_most=True)),
        ),
        command="msstan cross-validate config/training/mig_phases.yaml --regime pretrained "
        "--simulation-steps 1050 --seeds 5 --withhold camera thermal telemetry --data SIMULATED REAL "
        "--json docs/results/phases_memory.json",
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
        "Leave one sequence out; a public set of human interactions, to compare the camera path with the literature. "
        "What is averaged is chosen by inner folds; that there is optical flow, that ticks are drawn where much moves, "
        "their rate, and the mean of three trainings were chosen by trials on folds of these same clips.",
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
)
