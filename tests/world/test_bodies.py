"""Traits, bodies, photographs: what is drawn is what is said to be true."""

import itertools

import numpy as np
import pytest

from merian.world.biota import make_biota
from merian.world.drawing.scalebar import draw_bar, draw_ruler, nice_length, ruler_width
from merian.world.photograph import PLANS, Picture, cut_out, photograph
from merian.world.traits import ENDS, KINDS, evolve_traits, individual, measures

EVERY_KIND = [(plan, kind) for plan in range(3) for kind in range(len(KINDS[plan]))]
UPRIGHT = [(2, 0), (2, 1), (2, 4)]
RNG = np.random.default_rng
BIOTA = make_biota(60, RNG(1))
TRAITS = evolve_traits(BIOTA, RNG(2))


def some(plan: int, kind: int, seed: int = 0) -> dict[str, float]:
    """Return an individual of a sort of body."""
    rng = RNG([plan, kind, seed])
    species = rng.choice(np.flatnonzero(BIOTA.plan == plan))
    return {**individual(TRAITS, int(species), rng), "kind": float(kind)}


def take(plan: int, kind: int, seed: int = 0, **settings: object) -> Picture:
    return photograph(plan, some(plan, kind, seed), RNG(seed), **settings)


def apart(landmarks: dict[str, tuple[float, float]], measure: str) -> float:
    first, second = ENDS[measure]
    return float(np.hypot(*np.subtract(landmarks[first], landmarks[second])))


class TestTraits:
    def test_same_seed_same_traits(self):
        again = evolve_traits(BIOTA, RNG(2))
        assert again.names == TRAITS.names
        assert np.array_equal(again.mean, TRAITS.mean)
        assert TRAITS.mean.shape == TRAITS.spread.shape == (60, len(TRAITS.names))
        assert TRAITS.mean.dtype == TRAITS.spread.dtype == np.float32

    def test_relatives_are_alike(self):
        biota = make_biota(500, RNG(3))
        traits = evolve_traits(biota, RNG(4))
        skip = ("kind", "pattern", "wing_pattern", "log_length")
        keep = [i for i, name in enumerate(traits.names) if name not in skip]
        scaled = traits.mean[:, keep] / traits.mean[:, keep].std(axis=0)
        distance = np.linalg.norm(scaled[:, None] - scaled[None], axis=2)
        other = ~np.eye(500, dtype=bool)
        same = [biota.taxon[:, [r]] == biota.taxon[:, r] for r in range(6)]
        within = distance[same[4] & other].mean()
        genera = distance[same[3] & ~same[4]].mean()
        families = distance[same[0] & ~same[3]].mean()
        assert within < 0.85 * genera and genera < 0.9 * families

    def test_order_has_one_sort_of_body(self):
        kind = TRAITS.mean[:, TRAITS.names.index("kind")]
        for order in np.unique(BIOTA.taxon[:, 2]):
            assert len(np.unique(kind[BIOTA.taxon[:, 2] == order])) == 1

    def test_individuals_vary_around_their_species(self):
        rng = RNG(5)
        lengths = [individual(TRAITS, 7, rng)["log_length"] for _ in range(400)]
        column = TRAITS.names.index("log_length")
        assert np.mean(lengths) == pytest.approx(TRAITS.mean[7, column], abs=0.04)
        assert np.std(lengths) < 0.25

    @pytest.mark.parametrize(("plan", "kind"), EVERY_KIND)
    def test_measures_are_positive(self, plan, kind):
        found = measures(plan, some(plan, kind))
        assert found and min(found.values()) > 0
        assert set(found) - {"appendage_count", "cell_count"} <= set(ENDS)


class TestPhotograph:
    def test_same_seed_same_bytes(self):
        for plan in range(3):
            one, two = take(plan, 2), take(plan, 2)
            assert one.image.tobytes() == two.image.tobytes()
            assert one.mask.tobytes() == two.mask.tobytes()
            assert one.landmarks == two.landmarks

    @pytest.mark.parametrize(("plan", "kind"), EVERY_KIND)
    @pytest.mark.parametrize("level", [1, 3])
    def test_landmarks_give_the_measures(self, plan, kind, level):
        traits = some(plan, kind, level)
        picture = photograph(plan, traits, RNG(level), level=level, instrument=kind % 6)
        assert picture.image.shape == (256, 256, 3) and picture.image.dtype == np.uint8
        assert picture.mask.shape == (256, 256) and picture.mask.dtype == bool
        assert picture.measures == measures(plan, traits)
        lengths = [name for name in picture.measures if name in ENDS]
        assert lengths
        for name in lengths:
            found = apart(picture.landmarks, name) / picture.px_per_mm
            assert found == pytest.approx(picture.measures[name], rel=0.02)

    # The fan and the bush are as wide as their outermost twigs, and tubes have no width.
    @pytest.mark.parametrize(("plan", "kind"), [x for x in EVERY_KIND if x not in UPRIGHT])
    def test_width_is_that_of_the_mask(self, plan, kind):
        picture = take(plan, kind, level=1)
        name = "body_width_mm" if "body_width_mm" in picture.measures else "width_mm"
        name = name if name in picture.measures else "diameter_mm"
        ends = np.array([picture.landmarks[mark] for mark in ENDS[name]])
        middle = ends.mean(axis=0)
        length = np.linalg.norm(ends[1] - ends[0])
        for end in ends:
            inside = end + (middle - end) * min(0.5, 3.0 / length)
            x, y = np.round(inside).astype(int)
            assert picture.mask[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3].any()

    def test_body_fills_the_frame(self):
        for (plan, kind), level in itertools.product(EVERY_KIND, (1, 2)):
            picture = take(plan, kind, level, level=level)
            rows, columns = np.nonzero(picture.mask)
            extent = max(np.ptp(rows), np.ptp(columns)) / 256
            assert 0.42 < extent < 0.88, (plan, kind)
            assert rows.min() > 0 and columns.min() > 0
            assert rows.max() < 255 and columns.max() < 255

    @pytest.mark.parametrize("plan", range(3))
    def test_states(self, plan):
        empty = take(plan, 1, state="empty")
        assert not empty.mask.any() and not empty.measures and not empty.landmarks
        assert empty.image.std() > 0
        whole, part = take(plan, 1), take(plan, 1, state="fragment")
        assert part.mask.any() and not part.measures
        assert not np.array_equal(part.mask, whole.mask)

    def test_other_sizes(self):
        picture = take(0, 0, size=160)
        assert picture.image.shape == (160, 160, 3)

    def test_extreme_individuals_can_be_drawn(self):
        for plan, kind in EVERY_KIND:
            for sign in (-6, 6):
                row = TRAITS.mean[0] + sign * TRAITS.spread[0]
                low = dict(zip(TRAITS.names, (row * (1 if sign > 0 else -1)).tolist(), strict=True))
                traits = {**low, "sex": 1.0, "kind": float(kind), "log_length": 1.0}
                traits["pattern"] = traits["wing_pattern"] = 5.0
                assert photograph(plan, traits, RNG(1)).mask.any()

    def test_species_differ(self):
        first, second = take(0, 0, 1), take(0, 4, 1)
        assert np.abs(first.image.astype(int) - second.image).mean() > 2


class TestScale:
    def test_nice_lengths(self):
        assert [nice_length(x) for x in (0.19, 1.0, 4.9, 51.0)] == [0.1, 1.0, 2.0, 50.0]

    @pytest.mark.parametrize("px_per_mm", [3.7, 41.3, 611.0])
    def test_bar_is_exact(self, px_per_mm):
        picture = np.ones((256, 256, 3), np.float32)
        length_mm = draw_bar(picture, np.zeros((256, 256), bool), px_per_mm, RNG(1))
        assert length_mm > 0
        ink = 1 - picture[..., 0]
        longest = max(ink.sum(axis=1))
        assert longest == pytest.approx(length_mm * px_per_mm, abs=0.05)

    def test_bar_is_never_over_the_body(self):
        picture = np.ones((256, 256, 3), np.float32)
        taken = np.zeros((256, 256), bool)
        taken[:, 90:] = True
        draw_bar(picture, taken, 20.0, RNG(2))
        assert (picture[taken] == 1).all()
        taken[:] = True
        assert draw_bar(picture, taken, 20.0, RNG(2)) == 0

    @pytest.mark.parametrize("edge", range(4))
    def test_ruler_is_exact(self, edge):
        picture = np.ones((256, 256, 3), np.float32)
        major = draw_ruler(picture, edge, 17.3, RNG(3))
        width = ruler_width(256)
        view = picture if edge % 2 == 0 else picture.transpose(1, 0, 2)
        view = view[::-1] if edge in (1, 2) else view
        assert (view[: 256 - width - 1] == 1).all()
        line = view[256 - width + round(0.55 * width), :, 0]
        ink = line.max() - line
        starts = np.flatnonzero((ink > 0.05) & (np.roll(ink, 1) <= 0.05))
        ticks = [
            np.average(np.arange(s, s + 6), weights=ink[s : s + 6] + 1e-9)
            for s in starts
            if 0 < s < 248
        ]
        gaps = np.diff(ticks) / 17.3
        assert gaps == pytest.approx(np.full(len(gaps), major), rel=0.01)

    def test_pictures_say_what_scale_they_have(self):
        scales = set()
        for seed in range(40):
            picture = take(0, 0, seed, size=96)
            scales.add(picture.scale)
            assert (picture.scale_mm > 0) == (picture.scale != "none")
        assert scales == {"bar", "ruler", "none"}


class TestCutOut:
    @pytest.mark.parametrize(("plan", "kind"), EVERY_KIND)
    def test_is_to_scale(self, plan, kind):
        traits = some(plan, kind)
        px_per_mm = 90 / np.exp(traits["log_length"])
        body = cut_out(plan, traits, RNG(1), px_per_mm, 30.0)
        rgb, alpha, landmarks = body.rgb, body.alpha, body.landmarks
        assert rgb.shape == (*alpha.shape, 3) and rgb.dtype == alpha.dtype == np.float32
        assert rgb.min() >= 0 and rgb.max() <= 1 and alpha.min() >= 0 and alpha.max() <= 1
        assert alpha[0].max() < 0.5 and alpha[:, 0].max() < 0.5
        for name, value in measures(plan, traits).items():
            if name in ENDS:
                assert apart(landmarks, name) / px_per_mm == pytest.approx(value, rel=0.02)

    def test_angle_turns_the_head_to_the_right(self):
        traits = some(0, 0)
        scale = 80 / np.exp(traits["log_length"])
        for angle, direction in ((0, (0, -1)), (90, (1, 0)), (180, (0, 1))):
            marks = cut_out(0, traits, RNG(1), scale, float(angle), 1).landmarks
            axis = np.subtract(marks["head_tip"], marks["abdomen_tip"])
            assert axis / np.linalg.norm(axis) == pytest.approx(direction, abs=0.01)

    def test_tiny_bodies(self):
        for plan, kind in EVERY_KIND:
            traits = some(plan, kind)
            scale = 6 / np.exp(traits["log_length"])
            alpha = cut_out(plan, traits, RNG(1), scale, 10.0).alpha
            assert alpha.max() > 0


def test_plans_are_named():
    assert PLANS == ("insect", "plankton", "colony")
