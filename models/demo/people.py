"""Workers: what they wear, how they move, and the mesh that comes of both."""

from dataclasses import dataclass, field

import numpy as np

from .mesh import Mesh, rotation

BODY, HEAD, HAT, TORSO = range(4)
PARTS = 4

HAT_COLOURS = [(.92, .92, .9), (.95, .72, .05), (.75, .08, .06), (.06, .2, .6), (.95, .38, .04), (.08, .42, .16)]
VEST_COLOURS = [(.72, .95, .08), (.82, .92, .05), (1.0, .36, .03), (.98, .28, .05)]
SHIRT_COLOURS = [(.05, .07, .12), (.09, .14, .28), (.16, .28, .45), (.3, .3, .32), (.6, .6, .58), (.82, .8, .76),
                 (.4, .08, .07), (.1, .25, .16), (.3, .2, .12), (.8, .38, .08), (.82, .66, .1), (.45, .5, .15),
                 (.5, .2, .35), (.04, .04, .05)]
TROUSER_COLOURS = [(.05, .07, .14), (.1, .15, .27), (.2, .19, .18), (.33, .27, .19), (.07, .07, .08), (.28, .3, .24)]
SKIN_COLOURS = [(.78, .55, .42), (.66, .43, .3), (.48, .29, .18), (.3, .17, .1), (.85, .64, .52)]
HAIR_COLOURS = [(.02, .015, .01), (.07, .04, .02), (.2, .12, .05), (.42, .29, .13), (.35, .34, .33)]
HEAD_SCALE = 1.18  # heads and hats are drawn a little large
REFLECTIVE = (.95, .97, 1.0)

# Height above the pelvis and half widths of the torso
PROFILE = np.array([(-.10, .168, .132), (.02, .162, .124), (.14, .148, .108), (.26, .165, .118),
                    (.37, .182, .125), (.44, .178, .112), (.49, .130, .088), (.54, .060, .062)])


@dataclass
class Outfit:
    """What one person looks like."""

    hat: bool = True
    vest: bool = True
    hat_colour: tuple = HAT_COLOURS[1]
    vest_colour: tuple = VEST_COLOURS[0]
    shirt: tuple = SHIRT_COLOURS[1]
    trousers: tuple = TROUSER_COLOURS[0]
    skin: tuple = SKIN_COLOURS[0]
    hair: tuple = HAIR_COLOURS[1]
    cover: str = "hair"  # what a bare head carries: hair, bald, long, cap, hood, beanie
    cover_colour: tuple = SHIRT_COLOURS[0]
    sleeves: bool = True
    zip_open: bool = False
    pattern: int = 0  # vest pattern 0..2, or the shirt's
    height: float = 1.76
    girth: float = 1.0


@dataclass
class Pose:
    """How one person stands: angles in radians, `phase` of the walk cycle from 0 to 1."""

    phase: float = 0.0
    stride: float = 0.0
    lean: float = 0.0
    crouch: float = 0.0
    head_yaw: float = 0.0
    head_pitch: float = 0.0
    arms: list = field(default_factory=lambda: [(0.0, 0.1, 0.2), (0.0, 0.1, 0.2)])  # forward, outward, elbow
    hat_lift: float = 0.0  # 0: worn, 1: held low in the right hand
    holds: str = ""  # "", box, clipboard, plank


def random_outfit(rng, hat=None, vest=None):
    """A random outfit; hat and vest are drawn unless given."""
    pick = lambda xs: xs[rng.integers(len(xs))]
    shade = lambda c: tuple(np.clip(np.array(c) * rng.uniform(.75, 1.25) + rng.normal(0, .015, 3), 0, 1))
    return Outfit(
        hat=bool(rng.random() < .55) if hat is None else hat,
        vest=bool(rng.random() < .55) if vest is None else vest,
        hat_colour=shade(pick(HAT_COLOURS)), vest_colour=shade(pick(VEST_COLOURS)),
        shirt=shade(pick(SHIRT_COLOURS)), trousers=shade(pick(TROUSER_COLOURS)),
        skin=shade(pick(SKIN_COLOURS)), hair=shade(pick(HAIR_COLOURS)),
        cover=pick(["hair", "hair", "hair", "bald", "long", "cap", "cap", "hood", "beanie"]),
        cover_colour=shade(pick(SHIRT_COLOURS)), sleeves=bool(rng.random() < .6),
        zip_open=bool(rng.random() < .4), pattern=int(rng.integers(3)),
        height=rng.uniform(1.58, 1.92), girth=rng.uniform(.92, 1.16))


def walking(phase, stride=0.55, arms=0.5, **more):
    """A pose of the walk cycle."""
    swing = arms * np.sin(2 * np.pi * phase)
    return Pose(phase=phase, stride=stride, arms=[(-swing, .1, .3), (swing, .1, .3)], **more)


def random_pose(rng):
    """A pose of someone at work: walking, standing, carrying, bending, kneeling or pointing."""
    kind = rng.choice(["walk", "stand", "carry", "bend", "kneel", "point", "hips", "plank"],
                      p=[.34, .2, .1, .1, .08, .08, .06, .04])
    look = dict(head_yaw=rng.normal(0, .4), head_pitch=rng.normal(-.05, .2))
    if kind == "walk":
        return walking(rng.random(), rng.uniform(.3, .75), rng.uniform(.2, .7), lean=rng.uniform(0, .12), **look)
    pose = Pose(stride=rng.uniform(0, .15), phase=rng.random(), lean=rng.uniform(-.05, .1), **look)
    arm = lambda a, b, c: (rng.uniform(*a), rng.uniform(*b), rng.uniform(*c))
    low = [arm((-.2, .5), (.05, .25), (.1, .7)) for _ in range(2)]
    if kind == "carry":
        pose.arms, pose.holds = [(.45, .05, 1.2), (.45, .05, 1.2)], rng.choice(["box", "clipboard"])
    elif kind == "bend":
        pose.lean, pose.crouch, low = rng.uniform(.5, 1.1), rng.uniform(0, .4), [arm((.7, 1.4), (0, .2), (.1, .6))] * 2
    elif kind == "kneel":
        pose.crouch, pose.lean, low = rng.uniform(.7, 1), rng.uniform(.1, .5), [arm((.5, 1.1), (0, .2), (.3, 1))] * 2
    elif kind == "point":
        low[rng.integers(2)] = arm((1.2, 2.4), (0, .5), (0, .3))
    elif kind == "hips":
        low = [(-.5, .75, 1.5)] * 2
    elif kind == "plank":
        pose.holds, low[1] = "plank", (.9, .3, 1.9)
    if kind != "carry":
        pose.arms = low
    return pose


def person_mesh(outfit, pose):
    """The mesh of a person at the origin who looks along +y."""
    mesh = Mesh()
    hips = _legs(mesh, outfit, pose)
    turn = rotation(pitch=-pose.lean)
    place = lambda p: hips + turn @ np.asarray(p, float)
    _torso(mesh, outfit, turn, hips)
    hands = [_arm(mesh, outfit, turn, place, side, pose.arms[i]) for i, side in enumerate((-1, 1))]
    _head(mesh, outfit, pose, turn, place, hands[1])
    _load(mesh, pose, hands, place)
    scaled = Mesh()
    scaled.extend(mesh, scale=outfit.height / 1.76)
    return scaled


def _legs(mesh, outfit, pose):
    """Draw legs, feet and pelvis; gives the pelvis centre."""
    thigh, shin = .45, .43
    angles = []
    for side in (-1, 1):
        t = 2 * np.pi * (pose.phase + (0 if side > 0 else .5))
        hip = pose.stride * np.sin(t) + 1.45 * pose.crouch * (1 if side > 0 else .55)
        knee = .12 + pose.stride * max(0, np.cos(t)) * 1.2 + pose.crouch * (1.7 if side > 0 else 1.9)
        angles.append((side, hip, knee))
    down = lambda a: np.array([0, np.sin(a), -np.cos(a)])
    reach = max(thigh * np.cos(h) + shin * np.cos(h - k) for _, h, k in angles) + .09
    hips = np.array([0, 0, max(reach, .32)])
    girth = outfit.girth
    for side, hip, knee in angles:
        top = hips + np.array([.092 * side, 0, 0])
        mid = top + thigh * down(hip)
        low = mid + shin * down(hip - knee)
        mesh.capsule(top, mid, .088 * girth, .066 * girth, outfit.trousers, part=BODY)
        mesh.capsule(mid, low, .064 * girth, .052, outfit.trousers, part=BODY)
        toe = rotation(pitch=.6 * (hip - knee) if hip - knee < 0 else .3 * (hip - knee)) @ np.array([0, .15, -.02])
        mesh.capsule(low + [0, -.02, -.04], low + toe + [0, 0, -.035], .055, .045, (.09, .07, .05), .1, BODY)
    mesh.ellipsoid(hips + [0, 0, -.03], (.142 * girth, .1 * girth, .1), outfit.trousers, part=BODY)
    return hips


def _torso_colours(outfit, heights, segments):
    """Cell colours of the torso: vest with reflective bands, or a shirt."""
    mid = (heights[:-1] + heights[1:]) / 2
    angle = (np.arange(segments) + .5) * 2 * np.pi / segments
    from_front = np.abs((angle - np.pi / 2 + np.pi) % (2 * np.pi) - np.pi)
    across = np.minimum(from_front, np.pi - from_front)
    colours = np.tile(np.asarray(outfit.vest_colour if outfit.vest else outfit.shirt, float), (len(mid), segments, 1))
    if not outfit.vest:
        if outfit.pattern == 1:
            colours[(mid > .2) & (mid < .3)] *= .6
        return colours
    bands = [(.03, .085), (.17, .225)] if outfit.pattern == 0 else [(.09, .15)]
    if outfit.pattern == 2:
        bands = [(.05, .11), (.3, .36)]
    for low, high in bands:
        colours[(mid > low) & (mid < high)] = REFLECTIVE
    if outfit.pattern < 2:
        strap = (mid[:, None] > bands[-1][1]) & (np.abs(across - .75) < .2)[None]
        colours[strap] = REFLECTIVE
    if outfit.zip_open:
        colours[:, from_front < .16] = outfit.shirt
    return colours


def _torso(mesh, outfit, turn, hips):
    """The trunk: a loft through the profile, wider when a vest is worn over it."""
    heights = np.linspace(-.10, .54, 24)
    rx, ry = (np.interp(heights, PROFILE[:, 0], PROFILE[:, k]) * outfit.girth for k in (1, 2))
    if outfit.vest:
        swell = np.where(heights < .47, 1.09, 1.03)
        rx, ry = rx * swell, ry * swell
    centres = hips + np.outer(heights, turn @ np.array([0, 0, 1.0]))
    axes = turn @ np.array([1.0, 0, 0]), turn @ np.array([0, 1.0, 0])
    mesh.loft(centres, rx, ry, axes, _torso_colours(outfit, heights, 20), part=TORSO)


def _arm(mesh, outfit, turn, place, side, angles):
    """One arm from shoulder to hand; gives the hand's place."""
    forward, outward, elbow = angles
    girth = outfit.girth
    shoulder = place((.182 * side * girth, 0, .425))

    def along(a):
        return turn @ rotation(roll=-outward * side) @ np.array([0, np.sin(a), -np.cos(a)])

    bend = shoulder + .29 * along(forward)
    wrist = bend + .25 * along(forward + elbow)
    lower = outfit.shirt if outfit.sleeves else outfit.skin
    mesh.capsule(shoulder, bend, .064 * girth, .05 * girth, outfit.shirt, part=BODY)
    mesh.capsule(bend, wrist, .047 * girth, .036, lower, part=BODY)
    hand = wrist + .06 * along(forward + elbow)
    mesh.ellipsoid(hand, (.042, .042, .055), outfit.skin, part=BODY)
    return hand


def _head(mesh, outfit, pose, turn, place, hand):
    """Neck, face and what is on top."""
    look = turn @ rotation(pose.head_yaw, -pose.lean * -.6 - pose.head_pitch)
    neck = place((0, 0, .52))
    centre = neck + look @ np.array([0, .02, .15])
    look = HEAD_SCALE * look
    at = lambda p: centre + look @ np.asarray(p, float)
    mesh.capsule(place((0, 0, .48)), centre, .058, .055, outfit.skin, part=BODY)
    mesh.ellipsoid(centre, (.098, .112, .132), outfit.skin, .06, HEAD, look)
    mesh.ellipsoid(at((0, .115, -.015)), (.017, .022, .026), outfit.skin, part=HEAD, turn=look)
    for side in (-1, 1):
        mesh.ellipsoid(at((.04 * side, .098, .02)), (.014, .01, .016), (.02, .02, .02), .5, HEAD, look)
        mesh.ellipsoid(at((.1 * side, 0, -.01)), (.015, .025, .035), outfit.skin, part=HEAD, turn=look)
    worn = outfit.hat and pose.hat_lift < .5
    if outfit.hat:
        _hard_hat(mesh, outfit, *_hat_place(pose, look, at, hand))
    if outfit.hat and worn:
        mesh.ellipsoid(at((0, -.012, .012)), (.104, .112, .118), outfit.hair, part=HEAD, turn=look, cut=.0)
    else:
        _bare_head(mesh, outfit, look, at)


def _hat_place(pose, look, at, hand):
    """Where the hat is: on the head, on its way, or in the right hand."""
    t = pose.hat_lift
    return (1 - t) * at((0, 0, .045)) + t * (hand + np.array([.03, .05, -.02])), look


def _hard_hat(mesh, outfit, centre, look):
    """A shell, a ridge on top, a brim all around and a peak."""
    colour, at = outfit.hat_colour, lambda p: centre + look @ np.asarray(p, float)
    mesh.ellipsoid(at((0, 0, .0)), (.126, .146, .125), colour, .55, HAT, look, cut=.05)
    mesh.ellipsoid(at((0, 0, .012)), (.026, .15, .127), colour, .55, HAT, look, cut=.1)
    mesh.ellipsoid(at((0, .012, .004)), (.142, .17, .02), colour, .4, HAT, look)
    mesh.ellipsoid(at((0, .1, .0)), (.1, .115, .016), colour, .4, HAT, look)


def _bare_head(mesh, outfit, look, at):
    """Hair, cap, hood or beanie."""
    cover, colour = outfit.cover, outfit.cover_colour
    if cover in ("hair", "long", "cap"):
        mesh.ellipsoid(at((0, -.018, .03)), (.108, .116, .118), outfit.hair, .05, HEAD, look, cut=.1)
        mesh.ellipsoid(at((0, -.045, .005)), (.102, .085, .115), outfit.hair, .05, HEAD, look)
    if cover == "long":
        mesh.capsule(at((0, -.06, -.02)), at((0, -.08, -.2)), .085, .06, outfit.hair, .05, HEAD)
    if cover == "cap":
        mesh.ellipsoid(at((0, -.004, .04)), (.113, .124, .105), colour, 0, HEAD, look, cut=.05)
        mesh.ellipsoid(at((0, .125, .045)), (.075, .085, .011), colour, 0, HEAD, look)
    if cover == "beanie":
        mesh.ellipsoid(at((0, -.01, .03)), (.113, .124, .135), colour, 0, HEAD, look, cut=.0)
    if cover == "hood":
        mesh.ellipsoid(at((0, -.035, .02)), (.135, .125, .16), outfit.shirt, 0, HEAD, look)
        mesh.ellipsoid(at((0, -.05, -.12)), (.13, .12, .09), outfit.shirt, 0, HEAD, look)


def _load(mesh, pose, hands, place):
    """What the hands hold."""
    middle = (hands[0] + hands[1]) / 2
    if pose.holds == "box":
        mesh.box(middle + [0, .12, .06], (.4, .3, .28), (.5, .34, .18))
    elif pose.holds == "clipboard":
        mesh.box(middle + [0, .03, .05], (.24, .02, .3), (.75, .73, .68), turn=rotation(pitch=-.8))
    elif pose.holds == "plank":
        at = place((.2, 0, .5))
        mesh.box(at, (.14, 2.4, .05), (.55, .4, .2))
