"""Definitions, quantities and their intervals, colours, codes, landmarks."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from merian.errors import InputError
from merian.measure.body import Body
from merian.measure.calibration import Calibration, declared
from merian.measure.codes import CODES, of_specimen, of_traits, worst_first
from merian.measure.colour import Patch, calibrate_colours, lab_of, linear, read_chart, stored
from merian.measure.definitions import Definition, chosen, definitions, landmark_names
from merian.measure.edges import UNKNOWN, edge_of
from merian.measure.landmarks import find_landmarks
from merian.measure.measurement import Measurement, measurement
from merian.measure.quantities import Quantity, quantity
from merian.measure.shapes import Shape

LENGTH = Definition("length", "1.0", "a length", "chord", landmarks=("a", "b"), unit="mm")
AREA = Definition("size", "1.0", "an area", "area", unit="mm2")


def disc(radius: float, side: int = 0) -> np.ndarray:
    side = side or int(2 * radius + 6)
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    return np.hypot(x, y) <= radius


def ball(radius: float) -> Body:
    mask = disc(radius)
    return Body(mask, 0, 0, parts={"body": mask})


# -- definitions --------------------------------------------------------------------------------


def test_our_definitions_are_whole_and_named_once():
    known = definitions()
    names = [name for one in known.values() for name in (one.id, *one.aliases)]
    assert len(names) == len(set(names))
    aliases = {alias: one.how for one in known.values() for alias in one.aliases}
    assert aliases == {
        "Area": "area", "Perim.": "perimeter", "Feret": "feret", "MinFeret": "min_feret",
        "Major": "ellipse_major", "Minor": "ellipse_minor", "Circ.": "circularity",
        "AR": "aspect_ratio", "Round": "roundness", "Solidity": "solidity",
    }  # fmt: skip
    assert [one.id for one in chosen(known, ["Feret", "area", "Area"])] == ["feret", "area"]
    assert "head_tip" in landmark_names(chosen(known, ()))


FILE = 'format = "merian-traits"\nformat_version = "1.0"\n'
GOOD = '[tibia]\nversion = "1"\nsays = "of a leg"\nhow = "chord"\nlandmarks = ["a", "b"]\n'


def test_a_file_adds_definitions(tmp_path):
    (tmp_path / "mine.toml").write_text(FILE + GOOD + 'unit = "mm"\nspread = 0.02\n')
    known = definitions(tmp_path / "mine.toml")
    assert known["tibia"].landmarks == ("a", "b")
    assert set(known) == {*definitions(), "tibia"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "begins with neither"),
        (FILE, "has 0 definitions"),
        (FILE + GOOD, "unit is ''; of chord it is 'mm'"),
        (FILE + GOOD + 'unit = "mm"\nhue = 1', "no such setting: hue"),
        (FILE + GOOD.replace("tibia", "Tibia") + 'unit = "mm"', "small letters"),
        (FILE + GOOD.replace("tibia", "feret") + 'unit = "mm"', "feret is defined already"),
        (FILE + GOOD.replace('["a", "b"]', '["a"]') + 'unit = "mm"', "has 1 landmarks"),
        (FILE + GOOD.replace("chord", "guess") + 'unit = "mm"', "how is 'guess'"),
        (FILE + GOOD + 'unit = "mm"\nspread = 2', "spread is 2"),
        (FILE + GOOD + 'unit = "mm"\npart = 7', "part is 7"),
        (FILE + GOOD + 'unit = "mm"\ncolour = ["mean", "red"]', "nothing elsewhere"),
        (FILE + "[x", "is no TOML"),
    ],
    ids=range(12),
)
def test_what_is_wrong_with_a_file_is_told(tmp_path, text, told):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(InputError, match=r"mine\.toml") as error:
        definitions(tmp_path / "mine.toml")
    assert told in str(error.value)


def test_an_unknown_trait_is_told():
    with pytest.raises(InputError, match="--traits wing: no such trait"):
        chosen(definitions(), ["wing"])


# -- quantities and intervals -------------------------------------------------------------------


@pytest.mark.parametrize("radius", [12, 30, 75])
def test_volumes_of_a_ball(radius):
    known, body = definitions(), ball(radius)
    true = 4 / 3 * math.pi * radius**3
    for name in ("biovolume_sphere", "biovolume_ellipsoid", "biovolume_rotational"):
        found = quantity(body, known[name])
        assert found.value == pytest.approx(true, rel=0.03)
        # An outline that is off by a pixel takes the surface with it.
        assert found.uncertainty == pytest.approx(4 * math.pi * radius**2, rel=0.25)


def test_volumes_of_a_cylinder_and_a_cone():
    known = definitions()
    bar = np.ones((20, 200), bool)
    body = Body(bar, 0, 0, parts={"body": bar})
    assert quantity(body, known["biovolume_cylinder"]).value == pytest.approx(
        math.pi / 4 * 20**2 * 200, rel=0.02
    )
    y, x = np.mgrid[:40, :300] + 0.5
    wedge = abs(y - 20) <= 20 * (1 - x / 300)
    body = Body(wedge, 0, 0, parts={"body": wedge})
    cone = quantity(body, known["biovolume_cone"]).value
    assert cone == pytest.approx(math.pi / 12 * 40**2 * 300, rel=0.05)


@pytest.mark.parametrize("name", [n for n, d in definitions().items() if d.how != "colour"])
def test_every_shape_scales_with_its_dimension(name):
    definition = definitions()[name]
    small, large = Body(np.pad(ellipse(60, 24), 2), 0, 0), Body(np.pad(ellipse(180, 72), 2), 0, 0)
    one, other = (
        quantity(Body(b.mask, 0, 0, points=marks(b.mask), parts={"body": b.mask}), definition)
        for b in (small, large)
    )
    assert other.value / one.value == pytest.approx(3**definition.dimension, rel=0.1)


def ellipse(length: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:width, :length] + 0.5
    return ((2 * x / length - 1) ** 2 + (2 * y / width - 1) ** 2) <= 1


def marks(mask: np.ndarray) -> dict[str, tuple[float, float]]:
    height, width = mask.shape
    ends = {"head_tip": (2, height / 2), "abdomen_tip": (width - 2, height / 2),
            "width_left": (width / 2, 2), "width_right": (width / 2, height - 2)}  # fmt: skip
    ends |= {"elytra_base": (width / 3, height / 2), "elytra_tip": ends["abdomen_tip"]}
    return ends | {"elytra_left": ends["width_left"], "elytra_right": ends["width_right"]}


def test_a_point_by_hand_counts_for_itself_and_the_edge_for_both():
    body = Body(disc(5), 0, 0, points={"a": (0.0, 0.0), "b": (30.0, 40.0)})
    found, hand = quantity(body, LENGTH), quantity(body, LENGTH, None, frozenset("ab"))
    assert found.value == hand.value == 50
    assert found.uncertainty == pytest.approx(math.hypot(0.5, 0.5, 2 * UNKNOWN.uncertainty))
    assert hand.uncertainty == pytest.approx(math.hypot(1.5, 1.5))
    assert quantity(Body(disc(5), 0, 0), LENGTH) is None


@given(
    st.floats(1, 1e5), st.floats(0, 100), st.floats(0.1, 1e4), st.floats(0, 0.3),
    st.floats(0, 0.3),
)  # fmt: skip
def test_an_interval_is_the_sum_of_its_squares(value, off, scale, relative, spread):
    definition = Definition("a", "1", "x", "area", unit="mm2", spread=spread)
    found = measurement(Quantity(value, off), definition, declared(scale, relative))
    assert found.pixels == value
    assert found.value == pytest.approx(value / scale**2)
    u = found.value * math.sqrt((2 * relative) ** 2 + (off / value) ** 2 + spread**2)
    assert found.high - found.value == pytest.approx(2 * u, abs=1e-12 * found.value)
    assert found.low == pytest.approx(max(found.value - 2 * u, 0), abs=1e-12)
    bare = measurement(Quantity(value, off), definition, None)
    assert (bare.unit, bare.value, bare.calibration) == ("px2", value, "")


def test_a_scale_is_told_with_its_value():
    scale = Calibration(27.0, 0.013, "bar", "rig 3")
    told = measurement(Quantity(54, 1), LENGTH, scale)
    assert told.value == 2.0
    assert told.calibration == "27 px/mm ±1.3 %; bar; rig 3"


# -- edges --------------------------------------------------------------------------------------


@pytest.mark.parametrize("blur", [0.8, 2.0, 3.0])
def test_the_width_of_an_edge_is_that_of_its_blur(blur):
    mask = disc(40, 110)
    light = 220 - 180 * gaussian_filter(mask.astype(float), blur)
    picture = np.repeat(light[..., None], 3, axis=2).round().astype(np.uint8)
    edge = edge_of(Shape(mask), picture)
    assert edge.width == pytest.approx(1.349 * math.hypot(blur, 0.35), rel=0.12)
    assert abs(edge.offset) < 0.25
    assert edge.seen == 1
    wide = np.hypot(*(np.mgrid[:110, :110] + 0.5 - 55)) <= 42
    assert edge_of(Shape(wide), picture).offset == pytest.approx(-2, abs=0.35)


def test_without_a_picture_or_a_step_the_edge_is_not_known():
    flat = np.full((30, 30, 3), 90, np.uint8)
    assert edge_of(Shape(disc(10, 30)), None) is UNKNOWN
    assert edge_of(Shape(disc(10, 30)), flat) is UNKNOWN
    assert edge_of(Shape(np.ones((30, 30), bool)), flat) is UNKNOWN


# -- colours ------------------------------------------------------------------------------------


def test_lab_is_that_of_published_colours():
    # The primaries and two more of sRGB under D65, as Lindbloom's calculator has them.
    known = {
        (255, 0, 0): (53.24, 80.09, 67.20), (0, 255, 0): (87.73, -86.18, 83.18),
        (0, 0, 255): (32.30, 79.19, -107.86), (255, 255, 0): (97.14, -21.55, 94.48),
        (0, 255, 255): (91.11, -48.09, -14.13),
    }  # fmt: skip
    ours = lab_of(np.array([*known], float))
    assert np.abs(ours - np.array([*known.values()])).max() < 0.05
    grey = lab_of(np.repeat(np.arange(256.0)[:, None], 3, axis=1))
    assert np.abs(grey[:, 1:]).max() < 1e-9
    assert grey[-1, 0] == pytest.approx(100)
    assert np.allclose(stored(linear(np.arange(256.0))), np.arange(256.0))


def chart(cast: np.ndarray) -> tuple[np.ndarray, list[Patch]]:
    chance = np.random.default_rng(2)
    picture, patches = np.full((60, 200, 3), 128, np.uint8), []
    for at in range(8):
        true = chance.uniform(40, 210, 3)
        seen = stored(linear(true) @ cast)
        picture[20:40, 10 + 23 * at : 28 + 23 * at] = seen.round()
        patches.append(Patch(19 + 23 * at, 30, 6, tuple(true.tolist())))
    return picture, patches


def test_a_chart_brings_colours_back():
    cast = np.array([[0.8, 0.05, 0.0], [0.1, 0.7, 0.02], [0.0, 0.05, 0.95]])
    picture, patches = chart(cast)
    found = calibrate_colours(picture, patches)
    assert found.patches == 8
    assert found.before > 5
    assert found.residual < 1
    true = np.array([[120.0, 90.0, 60.0]])
    seen = stored(linear(true) @ cast)
    assert np.abs(found.applied(seen) - true).max() < 2
    with pytest.raises(InputError, match="6 or more"):
        calibrate_colours(picture, patches[:5])
    with pytest.raises(InputError, match="not within the picture"):
        calibrate_colours(picture, [*patches, Patch(500, 3, 3, (1, 2, 3))])


def test_a_chart_of_greys_is_refused():
    picture = np.zeros((20, 240, 3), np.uint8)
    patches = []
    for at in range(8):
        picture[:, 30 * at : 30 * at + 30] = 40 + 20 * at
        patches.append(Patch(30 * at + 15, 10, 4, (50.0 + 20 * at,) * 3))
    with pytest.raises(InputError, match="greys alone"):
        calibrate_colours(picture, patches)


def test_a_table_of_patches_is_checked(tmp_path):
    (tmp_path / "chart.csv").write_text("x,y,radius,red,green,blue\n1,2,3,4,5,600\n")
    with pytest.raises(InputError, match=r"chart\.csv:2: colours"):
        read_chart(tmp_path / "chart.csv")
    (tmp_path / "chart.csv").write_text("x,y,radius\n1,2,3\n")
    with pytest.raises(InputError, match=r"chart\.csv:2: expected numbers"):
        read_chart(tmp_path / "chart.csv")


def test_a_colour_without_a_chart_has_no_interval():
    mask = disc(8, 20)
    picture = np.full((20, 20, 3), (200, 100, 50), np.uint8)
    body = Body(mask, 0, 0, picture, parts={"body": mask})
    found = quantity(body, definitions()["colour_median_red"])
    told = measurement(found, definitions()["colour_median_red"], None)
    assert told.value == 200
    assert math.isnan(told.low)


# -- codes --------------------------------------------------------------------------------------


def line(trait: str, one: tuple[float, float], other: tuple[float, float]) -> Measurement:
    long = math.dist(one, other)
    return Measurement(trait, "1.0", long, long, long, "px", long, "", (one, other))


def test_codes_of_lines():
    length = line("body_length", (10, 10), (90, 10))
    wide = line("body_width", (50, 0), (50, 95))
    assert of_traits([length, wide], (100, 100)) == {
        "body_length": ("width-over-length",), "body_width": ("width-over-length",)
    }  # fmt: skip
    slant = line("body_width", (40, 10), (60, 25))
    assert of_traits([length, slant], (100, 100))["body_width"] == ("axes",)
    square = line("body_width", (50, 0), (50, 20))
    assert of_traits([length, square], (100, 100)) == {}
    out = line("body_width", (50, 90), (50, 101))
    assert of_traits([out], (100, 100)) == {"body_width": ("outside",)}
    end = line("body_width", (-0.4, 90), (50, 100.4))  # a slice is as wide as a pixel
    assert of_traits([end], (100, 100)) == {}


def test_codes_of_a_body():
    mask = disc(10, 20)
    scale = Calibration(10, 0.01, "ruler", others=((20.0, "half millimetres"),))
    assert of_specimen(Body(mask, 5, 5), [], (40, 40), scale)[0] == ("scale-ambiguous",)
    assert of_specimen(Body(mask, 0, 5, codes=("faint",)), [], (40, 40), None)[0] == (
        "touches-border", "faint",
    )  # fmt: skip
    star = np.zeros((40, 40), bool)
    star[19:21], star[:, 19:21] = True, True
    assert "low-solidity" in of_specimen(Body(star, 5, 5, parts={"body": star}), [], (99, 99),
                                         None)[0]  # fmt: skip
    assert worst_first(["faint", "strange", "count", "faint"]) == ("count", "faint", "strange")
    assert all(says and advice for says, advice in CODES.values())


# -- landmarks ----------------------------------------------------------------------------------


def beetle(turn: float) -> tuple[np.ndarray, np.ndarray]:
    """A body of 200 x 80 with a waist at 70 from the head, six legs, a suture."""
    side = 300
    y, x = np.mgrid[:side, :side] + 0.5 - side / 2
    t = x * math.cos(turn) + y * math.sin(turn) + 100  # 0 at the head
    s = y * math.cos(turn) - x * math.sin(turn)
    half = np.where(t < 72, 26 * np.sqrt(np.clip(1 - ((t - 40) / 41) ** 2, 0, 1)),
                    40 * np.sqrt(np.clip(1 - ((t - 120) / 80) ** 2, 0, 1)))  # fmt: skip
    body = (abs(s) <= half) & (t >= 0) & (t <= 200)
    legs = np.zeros_like(body)
    for at in (40, 75, 110):
        legs |= (abs(t - at - 0.3 * abs(s)) <= 2.5) & (abs(s) < 100)
    mask = body | legs
    picture = np.full((side, side, 3), 225, np.uint8)
    picture[mask] = (90, 60, 40)
    picture[body & (t > 70) & (abs(s) < 1.5)] = (20, 10, 10)
    picture[body & (abs(t - 70) < 1.5)] = (20, 10, 10)
    return mask, picture


@pytest.mark.parametrize("turn", [0.0, 0.6, 1.4, 2.2, 3.0, 4.1, 5.3])
def test_a_beetle_is_found_without_its_legs_whichever_way_it_lies(turn):
    mask, picture = beetle(turn)
    found = find_landmarks(mask, picture)
    along = (math.cos(turn), math.sin(turn))
    head = tuple(150 - 100 * a for a in along)
    tail = tuple(150 + 100 * a for a in along)
    base = tuple(150 - 30 * a for a in along)
    assert math.dist(found.points["head_tip"], head) < 4
    assert math.dist(found.points["abdomen_tip"], tail) < 4
    assert math.dist(found.points["elytra_base"], base) < 5
    width = math.dist(found.points["width_left"], found.points["width_right"])
    assert width == pytest.approx(80, abs=4)
    assert found.parts["body"].sum() < 0.93 * mask.sum()
    assert not (found.parts["elytra"] & ~found.parts["body"]).any()
    assert found.codes == ()


def test_what_is_thick_on_one_side_of_a_body_is_told():
    mask, picture = beetle(0.0)
    y, x = np.mgrid[:300, :300]
    blob = (abs(x - 230) < 32) & (abs(y - 205) < 30)
    picture[blob] = (90, 60, 40)
    assert "legs-kept" in find_landmarks(mask | blob, picture).codes


@pytest.mark.parametrize(("thick", "deep"), [(3, 132), (4, 136)], ids=["weaker", "stronger"])
def test_of_two_places_as_clear_the_hind_one_is_the_base_and_this_is_told(thick, deep):
    mask, picture = beetle(0.0)
    again = picture.copy()
    again[mask & (abs(np.arange(300) - 90) < thick)[None]] = (20, 10, 10)  # across the thorax
    mask = mask.copy()
    for rows in (slice(0, deep), slice(300 - deep, 300)):  # and a notch beside it
        mask[rows, 86:94] = False
    found = find_landmarks(mask, again)
    assert found.codes == ("elytra-base",)
    assert math.dist(found.points["elytra_base"], (120, 150)) < 5
    length, wide = line("elytra_length", (0, 0), (60, 0)), line("body_width", (0, 0), (0, 40))
    whole, of_trait = of_specimen(
        Body(mask, 5, 5, codes=found.codes), [length, wide], (400, 400), None
    )
    assert whole == () and of_trait == {"elytra_length": ("elytra-base",)}


def test_what_has_no_body_has_no_landmarks():
    thin = np.zeros((3, 3), bool)
    thin[1, 1] = True
    assert find_landmarks(thin, None) is None


@pytest.mark.parametrize("degrees", [200, 240, 280])
def test_a_curled_body_has_no_landmarks_on_an_axis_beside_it(degrees):
    y, x = np.mgrid[:300, :300] + 0.5
    angle = np.degrees(np.arctan2(y - 150, x - 150)) % 360
    curled = (abs(np.hypot(x - 150, y - 150) - 120) < 8) & (angle < degrees)
    assert find_landmarks(curled, None) is None
    straight = (abs(y - 150) < 8) & (abs(x - 150) < 120)
    points = find_landmarks(straight, None).points
    assert math.dist(points["width_left"], points["width_right"]) == pytest.approx(16, abs=1.5)
