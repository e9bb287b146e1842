"""Learning: losses, heads, optimizers, the trainer, packs and probes.

Most of it needs the extra `models`. This door can be imported without it: what stands behind a
name is loaded when the name is first asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

from merian.errors import MissingExtraError

# A name of this door, and the module where it lives.
_MODULES: dict[str, str] = {
    "Adapted": "adapted",
    "AdaptedConfig": "adapted",
    "Adopted": "published",
    "Asked": "pack_gather",
    "Augmentation": "examples",
    "Auxiliary": "auxiliary",
    "Contrastive": "modalities",
    "Forest": "forest",
    "ForestLabels": "forest",
    "InferSum": "heads",
    "Interval": "bootstrap",
    "KLShampoo": "kl_shampoo",
    "LinearProbe": "linear_probe",
    "MaskedAutoencoder": "autoencoder",
    "MaskedTokens": "objectives",
    "Masking": "examples",
    "MultiHead": "heads",
    "NodeCounts": "node_scores",
    "NodeExamples": "node_objective",
    "NodeSoftmax": "node_softmax",
    "NodeSums": "node_sums",
    "NodeTree": "nodes",
    "Nodes": "node_objective",
    "Objective": "task",
    "Outcome": "task",
    "NextWords": "next_words",
    "Pack": "pack",
    "PackedBarcodes": "examples",
    "PackedPictures": "examples",
    "PackedRecords": "record_examples",
    "PictureAutoencoder": "picture_autoencoder",
    "RankLabels": "rank_labels",
    "Ranks": "objectives",
    "Recipe": "recipe",
    "Recoded": "recoded",
    "SCORES": "scores",
    "SOAP": "soap",
    "Sampler": "sampling",
    "SelfDistillation": "distillation",
    "Shampoo": "shampoo",
    "SimpleShot": "few_shot",
    "SizedPicture": "looking",
    "SoftmaxTree": "heads",
    "Task": "task",
    "Trained": "progress",
    "add_low_rank": "low_rank",
    "WholeObjective": "task",
    "accuracy": "scores",
    "adjusted_mutual_information": "agreement",
    "adjusted_rand_index": "agreement",
    "adopt": "published",
    "average_precision": "node_scores",
    "balanced_accuracy": "scores",
    "balanced_order": "sampling",
    "build_encoder": "encoders",
    "build_heads": "heads",
    "build_objective": "objectives",
    "build_task": "building",
    "check_pack": "pack",
    "class_vectors": "zero_shot",
    "count_nodes": "node_scores",
    "counts_by_depth": "node_scores",
    "deepest_right": "node_scores",
    "difference": "bootstrap",
    "draw_supports": "few_shot",
    "embed": "embedding",
    "embed_table": "embedding_table",
    "epoch_order": "order",
    "few_shot_answers": "few_shot",
    "fit_by_steps": "linear_probe",
    "fit_logistic": "logistic",
    "fit_ridge": "linear_probe",
    "fit_siblings": "logistic",
    "fold_low_rank": "low_rank",
    "fit_simple_shot": "few_shot",
    "interval_of": "bootstrap",
    "kinship": "logistic",
    "least_cost_node": "node_decoding",
    "least_cost_nodes": "node_decoding",
    "load_model": "saved",
    "macro_average_precision": "node_scores",
    "macro_f1": "scores",
    "make_pack": "packing",
    "mean_difference": "bootstrap",
    "mean_interval": "bootstrap",
    "micro_average_precision": "node_scores",
    "nearest": "probes",
    "normalised_mutual_information": "agreement",
    "open_embeddings": "embeddings",
    "open_pack": "pack",
    "parameter_groups": "parameters",
    "purity": "agreement",
    "rare_node_weights": "nodes",
    "read_label_table": "label_table",
    "read_recipe": "recipe",
    "recipe_names": "recipe",
    "save_model": "saved",
    "score_difference": "scores",
    "score_interval": "scores",
    "to_nearest_ancestor": "node_scores",
    "train": "trainer",
    "vote": "probes",
    "weighted_vote": "probes",
    "zero_shot_probabilities": "zero_shot",
}

__all__ = sorted(_MODULES)  # noqa: PLE0605 the names are loaded when asked for


def __getattr__(name: str) -> Any:
    """Load what stands behind a name."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        module = importlib.import_module(f"{__name__}.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError("learning", "models") from None
    return getattr(module, name)
