"""Triangle meshes and the primitives that everything in a scene is made of.

World axes: x to the right, y away from the viewer, z up; metres.
"""

from functools import lru_cache

import numpy as np


def rotation(yaw=0.0, pitch=0.0, roll=0.0):
    """Rotation matrix: roll about y, then pitch about x, then yaw about z (radians)."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    rx = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    ry = np.array([[cr, 0, sr], [0, 1, 0], [-sr, 0, cr]])
    return rz @ rx @ ry


class Mesh:
    """Vertices with normals, and faces with a colour, a gloss and a part number each."""

    def __init__(self, pieces=()):
        self.pieces = list(pieces)

    def add(self, vertices, normals, faces, colour, gloss=0.0, part=-1):
        """Append a piece; `colour` is one RGB triple or one a face."""
        n = len(faces)
        colours = np.broadcast_to(np.asarray(colour, np.float32), (n, 3))
        self.pieces.append((vertices, normals, faces, colours, np.full(n, gloss), np.full(n, part)))

    def extend(self, other, yaw=0.0, at=(0, 0, 0), scale=1.0, part=None):
        """Append another mesh, turned, scaled and moved."""
        turn = rotation(yaw)
        for v, n, f, c, g, p in other.pieces:
            p = p if part is None else np.full(len(f), part)
            self.pieces.append((v @ turn.T * scale + np.asarray(at), n @ turn.T, f, c, g, p))

    def arrays(self):
        """All pieces joined: vertices, normals, faces, colours, gloss, parts."""
        v, n, f, c, g, p = zip(*self.pieces)
        starts = np.cumsum([0] + [len(x) for x in v[:-1]])
        faces = np.concatenate([x + s for x, s in zip(f, starts)])
        join = lambda xs, t: np.ascontiguousarray(np.concatenate(xs), t)
        return (join(v, np.float32), join(n, np.float32), np.ascontiguousarray(faces, np.int32),
                join(c, np.float32), join(g, np.float32), join(p, np.int32))

    # Primitives

    def box(self, centre, size, colour, gloss=0.0, part=-1, turn=None, taper=1.0):
        """A box; `taper` scales its top."""
        v, n, f = _unit_box()
        v = v * (np.asarray(size) / 2)
        if taper != 1.0:
            v = v * np.where(v[:, 2:] > 0, np.array([taper, taper, 1.0]), 1.0)
        if turn is not None:
            v, n = v @ turn.T, n @ turn.T
        self.add(v + np.asarray(centre), n, f, colour, gloss, part)

    def beam(self, a, b, width, colour, gloss=0.0, part=-1):
        """A square beam from `a` to `b`."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        turn = np.stack(frame(b - a), 1)
        self.box((a + b) / 2, (width, width, np.linalg.norm(b - a)), colour, gloss, part, turn)

    def capsule(self, a, b, ra, rb, colour, gloss=0.0, part=-1):
        """A tapered capsule: two round ends joined."""
        end, ring, lift, f = _unit_capsule()
        a, b = np.asarray(a, float), np.asarray(b, float)
        n = ring @ np.stack(frame(b - a)[:2]) + lift[:, None] * unit(b - a)
        v = np.where(end[:, None], b, a) + n * np.where(end[:, None], rb, ra)
        self.add(v, n, f, colour, gloss, part)

    def ellipsoid(self, centre, radii, colour, gloss=0.0, part=-1, turn=None, cut=None):
        """An ellipsoid; `cut` drops what lies below that height on the unit sphere."""
        v, f = _unit_sphere(-1.0 if cut is None else cut)
        n = unit(v / np.asarray(radii))
        v = v * np.asarray(radii)
        if turn is not None:
            v, n = v @ turn.T, n @ turn.T
        self.add(v + np.asarray(centre), n, f, colour, gloss, part)

    def tube(self, a, b, ra, rb, colour, gloss=0.0, part=-1, segments=12):
        """A cylinder or cone frustum with flat caps."""
        a, b = np.asarray(a, float), np.asarray(b, float)
        u, w, axis = frame(b - a)
        ct, st = circle(segments)
        radial = ct[:, None] * u + st[:, None] * w
        side = np.concatenate([a + radial * ra, b + radial * rb])
        self.add(side, np.concatenate([radial, radial]), strip(2, segments), colour, gloss, part)
        fan = np.array([(0, i, i + 1) for i in range(1, segments - 1)])
        for centre, r, n in ((a, ra, -axis), (b, rb, axis)):
            self.add(centre + radial * r, np.tile(n, (segments, 1)), fan, colour, gloss, part)

    def loft(self, centres, rx, ry, axes, colours, gloss=0.0, part=-1, segments=20):
        """A skin over ellipses; `axes` are the two ellipse axes, `colours` (rows, segments, 3)."""
        ct, st = circle(segments)
        u, w = axes
        rx, ry = np.asarray(rx)[:, None, None], np.asarray(ry)[:, None, None]
        v = np.asarray(centres)[:, None] + rx * ct[None, :, None] * u + ry * st[None, :, None] * w
        n = unit(ct[None, :, None] * u / rx + st[None, :, None] * w / ry)
        faces = strip(len(v), segments)
        colour = np.repeat(np.asarray(colours).reshape(-1, 3), 2, axis=0)
        self.add(v.reshape(-1, 3), n.reshape(-1, 3), faces, colour, gloss, part)


def unit(v):
    """Vectors scaled to length one."""
    return v / (np.linalg.norm(v, axis=-1, keepdims=True) + 1e-12)


def frame(axis):
    """Two unit vectors square to `axis`, and `axis` itself made unit."""
    w = unit(np.asarray(axis, float))
    helper = np.array([1.0, 0, 0]) if abs(w[0]) < 0.9 else np.array([0, 1.0, 0])
    u = unit(np.cross(helper, w))
    return u, np.cross(w, u), w


@lru_cache(None)
def circle(segments):
    """Cosines and sines around a circle."""
    t = np.arange(segments) * 2 * np.pi / segments
    return np.cos(t), np.sin(t)


@lru_cache(None)
def strip(rows, segments):
    """Faces between consecutive rings of `segments` vertices, two a cell."""
    faces = []
    for r in range(rows - 1):
        for s in range(segments):
            a, b = r * segments + s, r * segments + (s + 1) % segments
            faces += [(a, b, b + segments), (a, b + segments, a + segments)]
    return np.array(faces)


@lru_cache(None)
def _unit_box():
    v, n, f = [], [], []
    for axis in range(3):
        for sign in (-1, 1):
            for du, dw in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
                p = np.zeros(3)
                p[axis], p[(axis + 1) % 3], p[(axis + 2) % 3] = sign, du, dw
                v.append(p)
                n.append(np.eye(3)[axis] * sign)
            k = len(v) - 4
            f += [(k, k + 1, k + 2), (k, k + 2, k + 3)]
    return np.array(v), np.array(n), np.array(f)


@lru_cache(None)
def _unit_capsule(segments=10, rings=3):
    phi = np.concatenate([np.linspace(-np.pi / 2, 0, rings), np.linspace(0, np.pi / 2, rings)])
    end = np.repeat(np.arange(2 * rings) >= rings, segments)
    ct, st = circle(segments)
    ring = np.stack([np.outer(np.cos(phi), ct), np.outer(np.cos(phi), st)], -1).reshape(-1, 2)
    return end, ring, np.repeat(np.sin(phi), segments), strip(2 * rings, segments)


@lru_cache(None)
def _unit_sphere(cut, segments=14, rings=9):
    phi = np.linspace(np.arcsin(cut), np.pi / 2, rings)
    ct, st = circle(segments)
    xy = np.stack([np.outer(np.cos(phi), ct), np.outer(np.cos(phi), st)], -1)
    z = np.broadcast_to(np.sin(phi)[:, None, None], (rings, segments, 1))
    return np.concatenate([xy, z], -1).reshape(-1, 3), strip(rings, segments)
