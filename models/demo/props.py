"""Everything on a site that is not a worker: vehicles, cones, clutter and buildings."""

import numpy as np

from .mesh import Mesh, rotation

MACHINE_COLOURS = [(.93, .66, .04), (.95, .6, .02), (.92, .42, .05), (.75, .72, .1), (.35, .38, .4)]
FORKLIFT_COLOURS = [(.93, .55, .03), (.85, .12, .06), (.08, .3, .6), (.1, .42, .2), (.92, .75, .05), (.85, .85, .82)]
CLUTTER_COLOURS = [(.1, .25, .5), (.55, .12, .08), (.15, .35, .2), (.5, .5, .5), (.8, .45, .08), (.75, .7, .6)]
DARK, GLASS, STEEL = (.05, .05, .055), (.1, .16, .2), (.38, .39, .4)
WOOD = (.55, .4, .23)


def _pick(rng, colours):
    colour = np.array(colours[rng.integers(len(colours))])
    return tuple(np.clip(colour * rng.uniform(.8, 1.15), 0, 1))


def wheel(mesh, centre, radius, width, rim=(.5, .5, .48)):
    """A tyre with a rim, its axle along x."""
    c, half = np.asarray(centre, float), np.array([width / 2, 0, 0])
    mesh.tube(c - half, c + half, radius, radius, DARK, segments=18)
    mesh.tube(c - half * 1.05, c + half * 1.05, radius * .55, radius * .55, rim, .2, segments=12)


def cone(rng):
    """A traffic cone, about 0.7 m high."""
    mesh = Mesh()
    orange = _pick(rng, [(1.0, .25, .02), (.95, .2, .03), (1.0, .36, .04)])
    white, h = (.95, .95, .92), rng.uniform(.55, .85)
    edges = [(0, orange), (.32, white), (.5, orange), (.66, white), (.8, orange), (1, None)]
    if rng.random() < .3:
        edges = [(0, orange), (.4, white), (.68, orange), (1, None)]
    radius = lambda t: (.17 * (1 - t) + .03 * t) * h / .7
    for (low, colour), (high, _) in zip(edges, edges[1:]):
        mesh.tube((0, 0, .04 + low * h), (0, 0, .04 + high * h), radius(low), radius(high), colour, .1)
    base = orange if rng.random() < .5 else DARK
    mesh.box((0, 0, .025), (.44 * h / .7, .44 * h / .7, .05), base)
    return mesh


def forklift(rng, driver=None, lift=None, loaded=None):
    """A counterbalance truck that looks along +y; `driver` is a mesh seated in it."""
    mesh, paint = Mesh(), _pick(rng, FORKLIFT_COLOURS)
    lift = rng.uniform(.08, 1.2) if lift is None else lift
    mesh.box((0, -.15, .62), (1.05, 1.5, .55), paint, .25)
    mesh.box((0, -.95, .72), (1.1, .5, .85), tuple(.55 * c for c in paint) if rng.random() < .4 else DARK, .2, taper=.9)
    mesh.box((0, -.55, 1.02), (.95, .7, .3), paint, .25, taper=.85)
    mesh.box((0, .42, .95), (1.0, .2, .5), paint, .25, taper=.9)
    mesh.box((0, -.28, 1.16), (.5, .5, .1), DARK)
    mesh.box((0, -.52, 1.42), (.48, .1, .5), DARK)
    mesh.beam((0, .36, 1.15), (0, .18, 1.42), .04, DARK)
    mesh.tube((0, .16, 1.42), (0, .14, 1.45), .16, .16, DARK)
    for x in (-.48, .48):
        mesh.beam((x, .45, 1.1), (x, .18, 2.15), .06, DARK)
        mesh.beam((x, -.75, 1.1), (x, -.6, 2.15), .06, DARK)
        wheel(mesh, (x * 1.06, .42, .34), .34, .24, paint)
        wheel(mesh, (x * 1.0, -.9, .27), .27, .2, paint)
    for y in np.linspace(-.62, .2, 5):
        mesh.box((0, y, 2.17), (1.02, .09, .06), DARK)
    for x in (-.5, .5):
        mesh.box((x, -.21, 2.17), (.07, .88, .07), DARK)
    mesh.tube((0, -.5, 2.2), (0, -.5, 2.33), .07, .06, (1.0, .5, .02), .6)
    _mast(mesh, rng, lift, loaded)
    if driver is not None:
        mesh.extend(driver, at=(0, -.28, .84))
    return mesh


def _mast(mesh, rng, lift, loaded):
    """Mast, carriage and forks, perhaps with a load on them."""
    for x in (-.36, .36):
        mesh.box((x, .86, 1.2), (.1, .14, 2.2), DARK, .2)
        mesh.box((x * .6, .84, 1.1), (.05, .06, 1.9), STEEL, .3)
        mesh.box((x * .7, 1.5, lift + .03), (.12, 1.05, .05), STEEL, .3)
        mesh.box((x * .7, .99, lift + .3), (.12, .06, .6), STEEL, .3)
    for z in (.4, 1.3, 2.25):
        mesh.box((0, .86, z), (.8, .08, .09), DARK)
    mesh.box((0, .95, lift + .45), (.95, .06, .1), DARK)
    if rng.random() < .6 if loaded is None else loaded:
        mesh.extend(pallet(rng, load=True), at=(0, 1.55, lift + .05))


def _tracks(mesh, half_width, length):
    """A pair of crawler tracks."""
    for x in (-half_width, half_width):
        mesh.box((x, 0, .42), (.5, length - .8, .84), DARK)
        mesh.box((x, 0, .42), (.53, length - .9, .3), (.2, .19, .18))
        for y in (-1, 1):
            mesh.tube((x - .25, y * (length / 2 - .42), .42), (x + .25, y * (length / 2 - .42), .42), .42, .42, DARK, segments=16)
            mesh.tube((x - .27, y * (length / 2 - .42), .42), (x + .27, y * (length / 2 - .42), .42), .22, .22, STEEL)
        for y in np.arange(-length / 2 + .5, length / 2 - .4, .22):
            for z in (.0, .84):
                mesh.box((x, y, z + .01), (.54, .1, .05), (.14, .13, .12))


def excavator(rng, swing=None, reach=None):
    """A tracked excavator; `swing` turns the upper part, `reach` from 0 (folded) to 1."""
    swing = rng.uniform(-1.2, 1.2) if swing is None else swing
    reach = rng.uniform() if reach is None else reach
    paint = _pick(rng, MACHINE_COLOURS)
    mesh, top = Mesh(), Mesh()
    _tracks(mesh, 1.05, 3.9)
    top.box((0, -.1, 1.12), (1.9, 2.8, .2), DARK)
    top.box((.0, -1.0, 1.62), (2.1, 1.5, .85), paint, .25, taper=.94)
    top.box((0, -1.75, 1.5), (2.1, .35, .9), tuple(.25 * c for c in paint), .2)
    top.box((.62, .25, 1.5), (.8, 1.3, .6), paint, .25)
    _cab(top, (-.6, .35, 1.22), (.9, 1.35, 1.6), paint)
    top.tube((.5, -1.1, 2.0), (.5, -1.1, 2.55), .06, .06, DARK)
    joint = np.array([.15, .6, 1.5])
    elbow = joint + np.array([0, 1.3 + .9 * reach, 2.0 - .3 * reach])
    mid = elbow + np.array([0, 1.2 + .7 * reach, .1 - .3 * reach])
    tip = mid + np.array([0, .15 + .5 * reach, -2.0 + .3 * reach])
    for a, b, w in ((joint, elbow, .42), (elbow, mid, .36), (mid, tip, .28)):
        top.beam(a, b, w, paint, .25)
    top.beam(joint + [0, .5, -.3], (elbow + joint) / 2 + [0, .2, .1], .14, STEEL, .5)
    top.beam((elbow + mid) / 2 + [0, -.4, .35], mid + [0, -.1, .3], .13, STEEL, .5)
    top.box(tip + [0, -.15, -.3], (.95, .75, .65), (.22, .21, .2), .1, turn=rotation(pitch=.5), taper=.8)
    for x in np.linspace(-.4, .4, 5):
        top.box(tip + [x, .2, -.62], (.08, .16, .16), STEEL)
    mesh.extend(top, yaw=swing)
    return mesh


def _cab(mesh, base, size, paint):
    """A driver's cab: posts, roof and dark glass."""
    base, (w, d, h) = np.asarray(base, float), size
    mesh.box(base + [0, 0, h * .14], (w, d, h * .28), paint, .25)
    mesh.box(base + [0, 0, h * .62], (w * .94, d * .94, h * .7), GLASS, .8)
    mesh.box(base + [0, 0, h], (w * 1.02, d * 1.02, .08), paint, .25)
    for x in (-w / 2, w / 2):
        for y in (-d / 2, 0, d / 2):
            mesh.box(base + [x, y, h * .62], (.07, .07, h * .76), paint, .2)


def loader(rng):
    """A wheel loader that looks along +y."""
    mesh, paint, raised = Mesh(), _pick(rng, MACHINE_COLOURS), rng.uniform(.2, 1.8)
    mesh.box((0, -1.3, 1.35), (1.5, 2.2, .8), paint, .25, taper=.92)
    mesh.box((0, -1.2, .85), (1.2, 3.4, .4), DARK)
    mesh.box((0, 1.1, 1.0), (1.0, 1.4, .6), paint, .25)
    _cab(mesh, (0, .05, 1.1), (1.3, 1.3, 1.8), paint)
    for x in (-.95, .95):
        for y in (-1.5, 1.4):
            wheel(mesh, (x, y, .72), .72, .5, paint)
    for x in (-.45, .45):
        mesh.beam((x, 1.0, 1.5), (x, 2.7, .4 + raised), .22, paint, .25)
    mesh.box((0, 3.1, .35 + raised), (2.4, .8, .8), (.25, .24, .22), .1, turn=rotation(pitch=.35), taper=.85)
    return mesh


def dump_truck(rng):
    """A tipper that looks along +y."""
    mesh, paint = Mesh(), _pick(rng, MACHINE_COLOURS + CLUTTER_COLOURS[:3])
    mesh.box((0, 0, .85), (1.0, 6.4, .3), DARK)
    _cab(mesh, (0, 2.6, .9), (2.2, 1.5, 1.9), paint)
    mesh.box((0, 3.3, 1.1), (2.2, .3, .7), DARK)
    mesh.box((0, -.8, 1.75), (2.3, 4.4, 1.3), _pick(rng, MACHINE_COLOURS), .2, taper=1.06)
    for y in np.linspace(-2.8, 1.2, 6):
        mesh.box((0, y, 1.75), (2.46, .1, 1.25), (.3, .3, .3))
    mesh.ellipsoid((0, -.8, 2.3), (1.0, 2.0, .5), (.35, .27, .2), cut=.0)
    for x in (-.95, .95):
        for y in (-2.3, -1.2, 2.3):
            wheel(mesh, (x, y, .52), .52, .35)
    return mesh


def pallet(rng, load=None):
    """A wooden pallet, perhaps with boxes or bags on it."""
    mesh = Mesh()
    for y in np.linspace(-.45, .45, 5):
        mesh.box((0, y, .13), (1.1, .14, .03), WOOD)
    for x in (-.5, 0, .5):
        mesh.box((x, 0, .06), (.1, 1.0, .11), tuple(.8 * c for c in WOOD))
    if rng.random() < .7 if load is None else load:
        colour = _pick(rng, [(.55, .38, .2), (.72, .7, .64), (.5, .17, .1), (.3, .4, .5)])
        nx, ny, nz = 2, 2, int(rng.integers(1, 4))
        for i, j, k in np.ndindex(nx, ny, nz):
            tone = rng.uniform(.85, 1.1)
            mesh.box((-.26 + .52 * i, -.24 + .48 * j, .33 + .37 * k), (.5, .46, .35), tuple(tone * c for c in colour))
    return mesh


def barrel(rng):
    """A steel drum."""
    mesh, paint = Mesh(), _pick(rng, CLUTTER_COLOURS)
    mesh.tube((0, 0, 0), (0, 0, .88), .29, .29, paint, .25, segments=18)
    for z in (.02, .3, .58, .86):
        mesh.tube((0, 0, z - .015), (0, 0, z + .015), .305, .305, tuple(.8 * c for c in paint), .25, segments=18)
    return mesh


def container(rng, length=6.0):
    """A shipping container with corrugated walls, long along x."""
    mesh, paint = Mesh(), _pick(rng, CLUTTER_COLOURS)
    rib = tuple(.78 * c for c in paint)
    mesh.box((0, 0, 1.3), (length, 2.4, 2.5), paint, .1)
    for x in np.arange(-length / 2 + .2, length / 2 - .1, .28):
        mesh.box((x, 0, 1.3), (.13, 2.47, 2.3), rib, .1)
    for y in np.linspace(-1.05, 1.05, 9):
        mesh.box((0, y, 1.3), (length + .06, .11, 2.3), rib, .1)
    for x in (-length / 2, length / 2):
        for y in (-1.2, 1.2):
            mesh.box((x, y, 1.3), (.16, .16, 2.6), rib, .1)
    for z in (.08, 2.52):
        mesh.box((0, 0, z), (length + .1, 2.52, .16), rib, .1)
    return mesh


def fence(rng, panels=3):
    """Site fence panels along x."""
    mesh = Mesh()
    for p in range(panels):
        x0 = (p - panels / 2) * 2.4
        for x in (x0, x0 + 2.36):
            mesh.beam((x, 0, 0), (x, 0, 2), .045, STEEL)
        for z in (.25, 1.1, 1.95):
            mesh.beam((x0, 0, z), (x0 + 2.36, 0, z), .03, STEEL)
        for x in np.linspace(x0, x0 + 2.36, 15)[1:-1]:
            mesh.beam((x, 0, .25), (x, 0, 1.95), .014, STEEL)
        mesh.box((x0, 0, .06), (.25, .6, .12), (.3, .3, .3))
    return mesh


def scaffold(rng, bays=2, levels=2):
    """Scaffolding along x, with decks and guard rails."""
    mesh, steel = Mesh(), _pick(rng, [STEEL, (.55, .56, .55), (.2, .3, .5)])
    for i in range(bays + 1):
        x = (i - bays / 2) * 2.2
        for y in (-.5, .5):
            mesh.beam((x, y, 0), (x, y, 2.0 * levels + 1.1), .06, steel, .2)
    half = bays * 1.1
    for level in range(1, levels + 1):
        z = 2.0 * level
        mesh.box((0, 0, z), (2 * half, 1.05, .06), WOOD)
        for rail in (.5, 1.0):
            mesh.beam((-half, -.5, z + rail), (half, -.5, z + rail), .045, steel, .2)
        for i in range(bays):
            x = (i - bays / 2) * 2.2
            mesh.beam((x, .5, z - 2), (x + 2.2, .5, z), .04, steel, .2)
    return mesh


def pile(rng):
    """A heap of sand or gravel."""
    mesh, r = Mesh(), rng.uniform(.8, 2.2)
    colour = _pick(rng, [(.5, .4, .27), (.4, .38, .35), (.3, .22, .16)])
    for _ in range(5):
        x, y = rng.normal(0, .35 * r, 2)
        size = r * rng.uniform(.5, 1)
        mesh.ellipsoid((x, y, 0), (size, size, size * .5), tuple(rng.uniform(.9, 1.1) * c for c in map(float, colour)), cut=0.0)
    return mesh


def pipes(rng):
    """A stack of pipes along x."""
    mesh, r = Mesh(), rng.uniform(.12, .3)
    colour = _pick(rng, [(.55, .54, .5), (.6, .28, .1), (.12, .12, .13), (.2, .35, .5)])
    for row in range(3):
        for k in range(4 - row):
            y, z = (k - (3 - row) / 2) * 2 * r, r + row * 1.74 * r
            mesh.tube((-1.6, y, z), (1.6, y, z), r, r, colour, .15, segments=14)
            for x in (-1.605, 1.605):
                mesh.tube((x, y, z), (x * 1.001, y, z), r * .8, r * .8, DARK, segments=14)
    return mesh


def barrier(rng):
    """A plastic or concrete barrier along x."""
    mesh = Mesh()
    colour = _pick(rng, [(.8, .1, .06), (.9, .9, .88), (.6, .59, .56), (.95, .45, .05)])
    mesh.box((0, 0, .2), (1.5, .5, .4), colour, .1, taper=.9)
    mesh.box((0, 0, .6), (1.45, .24, .45), colour, .1, taper=.85)
    return mesh


def board(rng):
    """A sign on a post."""
    mesh, colour = Mesh(), _pick(rng, [(.95, .75, .05), (.1, .3, .65), (.85, .1, .08), (.9, .9, .88)])
    mesh.beam((0, 0, 0), (0, 0, 2.1), .06, STEEL)
    mesh.box((0, -.05, 1.8), (.7, .03, .7), colour, .1)
    mesh.box((0, -.07, 1.8), (.5, .02, .12), (.08, .08, .08))
    mesh.box((0, -.07, 1.6), (.4, .02, .06), (.08, .08, .08))
    return mesh


def reel(rng):
    """A cable drum on its side."""
    mesh, r = Mesh(), rng.uniform(.45, .8)
    for x in (-.4, .4):
        mesh.tube((x - .04, 0, r), (x + .04, 0, r), r, r, WOOD, segments=20)
    mesh.tube((-.4, 0, r), (.4, 0, r), r * .7, r * .7, _pick(rng, [(.06, .06, .06), (.75, .25, .04), (.1, .2, .5)]), segments=20)
    return mesh


def toilet(rng):
    """A portable cabin."""
    mesh, colour = Mesh(), _pick(rng, CLUTTER_COLOURS[:3])
    mesh.box((0, 0, 1.1), (1.1, 1.1, 2.2), colour, .15)
    mesh.box((0, -.56, 1.05), (.8, .03, 1.9), tuple(min(1, 1.5 * c) for c in colour), .15)
    mesh.box((0, 0, 2.28), (1.16, 1.16, .16), (.8, .8, .78), taper=.7)
    return mesh


def bucket(rng):
    """A pail or ball, round and as bright as a helmet."""
    mesh, colour = Mesh(), _pick(rng, [(.92, .9, .88), (.95, .7, .05), (.8, .1, .06), (.1, .25, .6), (.95, .4, .05)])
    mesh.tube((0, 0, 0), (0, 0, .34), .12, .16, colour, .2, segments=14)
    return mesh


def building(rng, width=14.0, storeys=4):
    """A concrete frame under construction, its front at y = 0."""
    mesh, tone = Mesh(), rng.uniform(.38, .6)
    grey, infill = (tone, tone * .98, tone * .95), _pick(rng, [(.45, .22, .14), (.5, .48, .44), (.2, .22, .24)])
    for level in range(storeys + 1):
        mesh.box((0, 4, 3.0 * level), (width, 8, .3), grey)
    for level in range(storeys):
        for x in np.linspace(-width / 2 + .2, width / 2 - .2, 5):
            mesh.box((x, .3, 3.0 * level + 1.5), (.4, .4, 3.0), grey)
        mesh.box((0, 5, 3.0 * level + 1.5), (width * .98, 4, 2.9), (.1, .1, .11))
        for k in range(4):
            if rng.random() < .4:
                mesh.box((width * (k - 1.5) / 4, .6, 3.0 * level + 1.4), (width / 4.6, .2, 2.6), infill)
    return mesh


def tower_crane(rng):
    """A tower crane, for the skyline."""
    mesh, paint, h = Mesh(), _pick(rng, MACHINE_COLOURS[:3] + [(.8, .1, .06)]), rng.uniform(26, 38)
    yaw = rng.uniform(0, 2 * np.pi)
    tip = np.array([np.cos(yaw), np.sin(yaw), 0])
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        mesh.beam((x * .8, y * .8, 0), (x * .8, y * .8, h), .25, paint)
    for z in np.arange(0, h - 2, 2.4):
        mesh.beam((-.8, -.8, z), (.8, -.8, z + 2.4), .15, paint)
        mesh.beam((-.8, .8, z + 2.4), (-.8, -.8, z), .15, paint)
    for low, high in ((h, h), (h + 1.6, h)):
        mesh.beam(np.array([0, 0, low]), 28 * tip + [0, 0, high], .3, paint)
    mesh.beam((0, 0, h), -9 * tip + [0, 0, h], .5, paint)
    mesh.beam((0, 0, h), (0, 0, h + 5), .4, paint)
    mesh.beam((0, 0, h + 5), 20 * tip + [0, 0, h + .5], .1, DARK)
    mesh.beam((0, 0, h + 5), -9 * tip + [0, 0, h], .1, DARK)
    mesh.box(-8 * tip + [0, 0, h - .8], (2, 2, 1.6), STEEL)
    mesh.beam(16 * tip + [0, 0, h], 16 * tip + [0, 0, h * .45], .08, DARK)
    return mesh


def hall(rng, width=34.0, depth=30.0, height=8.0):
    """The inside of a hall: walls with pillars and windows, a roof with lamps; open to the viewer."""
    mesh, tone = Mesh(), rng.uniform(.35, .65)
    wall, trim = (tone, tone * .98, tone * .93), _pick(rng, CLUTTER_COLOURS)
    mesh.box((0, depth, height / 2), (width, .3, height), wall)
    for x in (-width / 2, width / 2):
        mesh.box((x, depth / 2 - 10, height / 2), (.3, depth + 20, height), tuple(.9 * c for c in wall))
    mesh.box((0, depth - .2, .6), (width, .1, 1.2), trim)
    for x in np.linspace(-width / 2, width / 2, 8):
        mesh.box((x, depth - .4, height / 2), (.4, .5, height), tuple(.7 * c for c in wall))
    for x in np.linspace(-width / 2, width / 2, 8)[:-1] + width / 14:
        mesh.box((x, depth - .25, height * .72), (2.6, .1, 1.6), (1.4, 1.5, 1.6))
    for y in np.arange(0, depth, 5.0):
        mesh.box((0, y, height), (width, .35, .5), (.3, .3, .32))
        for x in (-8, 0, 8):
            mesh.box((x, y + 2.5, height - .5), (.5, 2.2, .12), (2.6, 2.6, 2.4))
    return mesh


CLUTTER = (pallet, barrel, pile, pipes, barrier, board, reel, toilet, bucket, fence, scaffold, container)
MACHINES = (excavator, excavator, loader, dump_truck)
