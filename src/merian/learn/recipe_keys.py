"""The keys of a recipe, table by table, with what each may be and means.

What a key may hold stands beside its field; `merian.learn.recipe` reads them from a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merian.learn.tables import key

__all__ = [
    "ALIGNING",
    "ALONE",
    "AUXILIARY",
    "FORMS",
    "HIDING",
    "INSTANCES",
    "LANDMARKS",
    "LOOKS",
    "MODALITIES",
    "NAMING",
    "OPTIMIZERS",
    "PATCHES",
    "POSITIVES",
    "RECORDS",
    "SAMPLERS",
    "SINGLE",
    "VARIANTS",
    "WORDS",
    "Data",
    "EncoderPart",
    "ObjectivePart",
    "OptimizerPart",
    "SamplerPart",
    "SchedulePart",
    "TowerPart",
    "TrainingPart",
]

OPTIMIZERS = ("adamw", "muon", "soap", "shampoo", "kl-shampoo", "kl-soap")
_BY_MATRIX = ("soap", "shampoo", "kl-shampoo", "kl-soap")
HEADS = ("multi-head", "infer-sum", "softmax-tree")
HIDING = ("masked-tokens", "masked-autoencoder")  # words are hidden, and guessed
AUXILIARY = ("same-genus", "triplet", "genus")
VARIANTS = ("leave", "blank", "through")
WORDS = (*HIDING, "next-words")  # the words of barcodes are guessed
PATCHES = "masked-patches"  # patches of pictures are hidden, and drawn
LOOKS = "self-distillation"  # what a teacher says of some looks, a student says of all
ALONE = (PATCHES, LOOKS)  # what pictures teach by themselves
SINGLE = ("one-path", "path-sum")  # one node of each tree
FORMS = ("coherent", "plain", *SINGLE)
NAMING = ("ranks", "nodes")
ALIGNING = "contrastive"  # what records are told apart by, each way that they are known
INSTANCES = "instances"  # bodies in pictures, and the loss that finds them
LANDMARKS = "landmarks"  # places on a body, and the loss that finds them
RECORDS = "records"  # examples with all that is known of a record
MODALITIES = ("image", "barcode", "text", "place")
CONTRASTS = ("info-nce", "sigmoid")
POSITIVES = ("taxon", "pass", "record")
OBJECTIVES = (*WORDS, *ALONE, *NAMING, ALIGNING, INSTANCES, LANDMARKS)
SAMPLERS = ("every", "weighted", "groups")
_SEQUENCES = ("barcodes", RECORDS)
_OUTLINED = (INSTANCES, LANDMARKS)
_PICTURED = ("pictures", RECORDS, *_OUTLINED)
SCHEDULES = ("cosine", "one-cycle", "constant", "warm-up-stable-decay")


@dataclass(frozen=True)
class Data:
    """What is read, and what is done to it."""

    kind: str = key("what the examples are",
                    choices=("barcodes", "pictures", RECORDS, *_OUTLINED))  # fmt: skip
    valid: float = key(
        "share held out, where what is given must first be packed", 0.05, low=0, high=0.9
    )
    window: int = key("shards that are mixed with each other", 8, low=1)
    words: str = key(
        "what a barcode is cut into: words of k bases; or words that are learned from the pack",
        "kmers", choices=("kmers", "pairs"), only=_SEQUENCES,
    )  # fmt: skip
    merges: int = key(
        "pairs that are learned, where words are pairs", 512, low=1, high=8192, only=_SEQUENCES
    )
    k: int = key("bases of a word, where words are kmers", 6, low=1, high=8, only=_SEQUENCES)
    stride: int | None = key(
        "bases from word to word; k where it is not given", None, low=1, only=_SEQUENCES
    )
    bases: int = key("what lies beyond is not read", 660, low=1, only=_SEQUENCES)
    any_frame: bool = key("begin the first word at any of its bases", True, only=_SEQUENCES)
    either_strand: bool = key("turn half of them to the other strand", False, only=_SEQUENCES)
    labels: str | None = key(
        "a table of labels at any nodes of trees, for the objective nodes: columns image, tree and "
        "label; the ranks of the pack where none is given", None,
    )  # fmt: skip
    size: int = key("width and height in pixels", 224, low=8, only=_PICTURED)
    augment: bool = key("crop, turn and light them by chance", True, only=_PICTURED)
    zoom: float = key(
        "by how much windows are made larger or smaller at the most", 2.0, low=1, high=16,
        only=_OUTLINED,
    )  # fmt: skip
    categories: tuple[str, ...] = key(
        "the categories of a COCO file that are bodies; all where none are given", (),
        only=_OUTLINED,
    )  # fmt: skip
    ignored: tuple[str, ...] = key(
        "the categories of which nothing is asked", (), only=(INSTANCES,)
    )
    wordings: tuple[str, ...] = key(
        "how names are told in words, one of these by chance; all there are where none is given",
        (), only=(RECORDS,),
    )  # fmt: skip
    accounts: str | None = key(
        "a table of prose about taxa: columns name and text", None, only=(RECORDS,)
    )
    text_merges: int = key(
        "pairs of letters that are learned as pieces of words", 2000, low=0, high=30_000,
        only=(RECORDS,),
    )  # fmt: skip
    text_pieces: int = key("pieces of a text; what lies beyond is not read", 64, low=4,
                           only=(RECORDS,))  # fmt: skip


@dataclass(frozen=True)
class SamplerPart:
    """Which examples an epoch shows."""

    kind: str = key(
        "each once; or rare classes more often; or that, with records of a class side by side",
        "every",
        choices=SAMPLERS,
    )
    rank: str | None = key("the rank of the classes", None, only=SAMPLERS[1:])
    power: float = key(
        "a record is drawn by this root of its class's count; 1 shows all classes alike", 0.5,
        low=0, high=1, only=SAMPLERS[1:],
    )  # fmt: skip
    unlabelled: float | None = key(
        "share of records without a name at the rank; as in the data if not given", None,
        low=0, high=1, only=SAMPLERS[1:],
    )  # fmt: skip
    members: int = key("records of a class side by side", 4, low=2, only=("groups",))


@dataclass(frozen=True)
class EncoderPart:
    """What is trained. Other keys are those of the encoder's own kind."""

    kind: str | None = key("the encoder; that of the run where one is given", None)
    from_: str | None = key("a run, or its folder model, whose weights it starts with", None)
    frozen: bool = key("train the heads alone", False)
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TowerPart(EncoderPart):
    """One of several encoders, which are brought into one space."""

    low_rank: int | None = key(
        "train no weight but matrices of this rank beside those of the attention", None, low=1
    )
    trunk: int = key(
        "width of a small network behind an encoder that is frozen; 0 for none", 512, low=0
    )
    trunk_layers: int = key("its layers", 1, low=1)
    trunk_axes: int = key(
        "main axes of what a frozen encoder makes that are kept and evened out before; 0 for all "
        "numbers as they are", 256, low=0,
    )  # fmt: skip
    trunk_dropout: float = key("share of values set to zero in it in training", 0.2, low=0,
                               high=0.9)  # fmt: skip


@dataclass(frozen=True)
class ObjectivePart:
    """What it is trained for."""

    kind: str = key("the loss", choices=OBJECTIVES)
    share: float = key(
        "share of the words or patches to hide", 0.5, above=0, high=0.99, only=(*HIDING, PATCHES)
    )
    decoder_layers: int = key(
        "blocks of the decoder; 0 for as many as the encoder has", 0, low=0,
        only=("masked-autoencoder", PATCHES),
    )  # fmt: skip
    decoder_width: int = key(
        "numbers of a word in the decoder, a multiple of 32", 512, low=32, only=(PATCHES,)
    )
    normalise: bool = key(
        "draw patches that are brought to mean 0 and variance 1", True, only=(PATCHES,)
    )
    variant: str = key(
        "what becomes of hidden words in the encoder: they leave; or stay, and nobody looks at "
        "them; or a mask goes through both stacks", "leave", choices=VARIANTS,
        only=("masked-autoencoder",),
    )  # fmt: skip
    masked_share: float = key(
        "what guessing the hidden words weighs; the rest is guessing those in sight", 1.0,
        above=0, high=1, only=HIDING,
    )  # fmt: skip
    random_share: float = key(
        "of the hidden words, in the place of how many a random word stands", 0.0,
        low=0, high=1, only=HIDING,
    )  # fmt: skip
    auxiliary: str | None = key(
        "a second aim, which looks at a barcode's one vector: is a pair of one genus; is one's own "
        "genus nearest; which genus is it; none where none is given", None,
        choices=AUXILIARY, only=HIDING,
    )  # fmt: skip
    auxiliary_rank: str = key("the rank that stands for the genus", "genus", only=HIDING)
    auxiliary_weight: float = key("what the second aim weighs", 0.1, above=0, only=HIDING)
    auxiliary_from: float = key(
        "from what share of the training on it counts", 0.0, low=0, high=1, only=HIDING
    )
    small_looks: int = key(
        "small looks at a picture, beside two large ones of data.size", 8, low=0, only=(LOOKS,)
    )
    small_size: int = key("width and height of a small look in pixels", 96, low=8, only=(LOOKS,))
    crop: tuple[float, float] = key(
        "what a small look keeps of a picture at least and at most; a large one keeps at least the "
        "second", (0.05, 0.4), above=0, high=0.99, only=(LOOKS,),
    )  # fmt: skip
    prototypes: int = key("what looks are compared with", 65_536, low=2, only=(LOOKS,))
    projection: int = key("numbers of the layers before them", 2048, low=1, only=(LOOKS,))
    narrow: int = key("numbers that are compared with them", 256, low=1, only=(LOOKS,))
    student_temperature: float = key("of the student's answers", 0.1, above=0, only=(LOOKS,))
    teacher_temperature: tuple[float, float] = key(
        "of the teacher's, at first and after its warm_up", (0.04, 0.07), above=0, only=(LOOKS,)
    )
    teacher_warm_up: float = key(
        "share of the training in which it gets there", 0.05, low=0, high=1, only=(LOOKS,)
    )
    momentum: float = key(
        "share of the teacher that stays at a step, at first; it rises to 1", 0.996,
        low=0, high=1, only=(LOOKS,),
    )  # fmt: skip
    centre_momentum: float = key(
        "the same of the mean of its answers, which is taken away", 0.9, low=0, high=1,
        only=(LOOKS,),
    )  # fmt: skip
    rest: float = key(
        "share of the training in which the prototypes do not learn", 0.01, low=0, high=1,
        only=(LOOKS,),
    )  # fmt: skip
    smoothing: float | tuple[float, ...] = key(
        "share of a target that is spread: over all words, or over relatives; of ranks also a "
        "list, with a share for each but the lowest", 0.0, low=0, high=0.9,
        only=(*WORDS, *NAMING),
    )  # fmt: skip
    even: float = key(
        "share of a target that is spread over all other classes", 0.0, low=0, high=0.9,
        only=("ranks",),
    )  # fmt: skip
    ranks: tuple[str, ...] = key("which; all of the pack where none are given", (), only=NAMING)
    form: str = key(
        "each node for itself and all under it; or each for itself; or one path down each tree, by "
        "softmaxes among siblings or by sums of scores",
        "coherent", choices=FORMS, only=("nodes",),
    )  # fmt: skip
    heads: str = key("how they hang together", "softmax-tree",
                     choices=HEADS, only=("ranks",))  # fmt: skip
    power: float = key(
        "classes weigh as this root of their counts", 0.5, low=0, high=1, only=NAMING
    )
    rank_weights: tuple[float, ...] = key(
        "what the loss of each rank weighs; alike where none are given", (), low=0, only=("ranks",)
    )
    starts: tuple[float, ...] = key(
        "from what share of the training on each rank counts; all from the start where none are "
        "given", (), low=0, high=1, only=("ranks",),
    )  # fmt: skip
    least: int = key("names on fewer records are no classes", 1, low=1, only=NAMING)
    width: int = key("numbers of a vector in the common space", 256, low=2, only=(ALIGNING,))
    contrast: str = key("how what is asked for is told from the rest", "info-nce",
                        choices=CONTRASTS, only=(ALIGNING,))  # fmt: skip
    positives: str = key(
        "what a record asks for: all of its taxon; or itself, and its taxon is passed over; or "
        "itself, and all others are negatives", "taxon", choices=POSITIVES, only=(ALIGNING,),
    )  # fmt: skip
    taxon: str = key("the rank of that taxon", "species", only=(ALIGNING,))
    bound_to: str | None = key(
        "only pairs with this modality; all pairs where none is given", None,
        choices=MODALITIES, only=(ALIGNING,),
    )  # fmt: skip
    scale: float | None = key(
        "what cosines are multiplied by at the start; as published where not given", None,
        above=0, high=100, only=(ALIGNING,),
    )  # fmt: skip


@dataclass(frozen=True)
class OptimizerPart:
    """How weights are changed."""

    kind: str = key("the optimizer", choices=OPTIMIZERS)
    learning_rate: float = key("the highest learning rate", above=0)
    betas: tuple[float, float] | None = key(
        "decay of the averages; the optimizer's own where it is not given",
        None,
        low=0,
        high=0.99999,
    )
    weight_decay: float = key("decoupled weight decay", 0.01, low=0)
    other_learning_rate: float | None = key(
        "of embeddings, heads, norms and biases, where they have one of their own", None, above=0
    )
    refresh: int | None = key("steps between two bases", None, low=1, only=_BY_MATRIX)
    block: int | None = key(
        "the largest block of a matrix", None, low=1, only=("kl-shampoo", "kl-soap")
    )


@dataclass(frozen=True)
class SchedulePart:
    """How the learning rate rises and falls."""

    kind: str = key("its course", "cosine", choices=SCHEDULES)
    warm_up: float = key("steps of the rise, or below 1 their share of all", 0.05, low=0)
    decay: float = key(
        "steps of the fall, or below 1 their share of all",
        0.2,
        low=0,
        only=("warm-up-stable-decay",),
    )
    floor: float = key("where it ends, as a share of the highest", 0.0, low=0, high=1)


@dataclass(frozen=True)
class TrainingPart:
    """How long, in which portions, and what is kept."""

    batch: int = key("examples in a step, over all processes", low=1)
    steps: int | None = key("how many steps; or give epochs", None, low=1)
    epochs: float | None = key("how often each example is seen; or give steps", None, above=0)
    pieces: int = key("parts of a batch that go through one after the other, or at once on as "
                      "many processes", 1, low=1)  # fmt: skip
    clip: float | None = key("the longest gradient; 0 for any", 1.0, low=0)
    average: float | None = key("decay of averaged weights, which are then looked at and saved",
                                None, above=0, high=0.99999999)  # fmt: skip
    precision: str = key("of the arithmetic", "auto", choices=("auto", "float32", "bfloat16"))
    device: str = key("where", "auto", choices=("auto", "cpu", "cuda"))
    seed: int = key("of all chance", 0, low=0)
    workers: int = key("processes that read beside the one that trains", 0, low=0)
    validate: int = key("steps from one look at the examples held out to the next", 500, low=1)
    validate_on: int | None = key("how many of them at most; all if not given", None, low=1)
    metric: str = key("the figure to stop by", "loss")
    better: str = key("which of its values are better", "lower", choices=("lower", "higher"))
    patience: int | None = key("looks without a better figure, after which it stops", None, low=1)
    checkpoint: int = key("steps from one checkpoint to the next", 500, low=1)
    keep: int = key("checkpoints that are kept", 2, low=1)
    log: int = key("steps from one line of the log to the next", 10, low=1)
