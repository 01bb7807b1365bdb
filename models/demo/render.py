"""Camera, light and items: a picture of a scene together with its labels.

A label's box is the extent of the part's visible pixels. A part is labelled when at
least 40 % of what it would show alone is visible and both sides of its box measure six
pixels or more at the detector's scale (the picture scaled to 640 pixels wide).
"""

import copy
import functools
from dataclasses import dataclass, field

import cv2
import numpy as np

from . import raster
from .mesh import Mesh, rotation
from .people import BODY, HAT, HEAD, PARTS, TORSO

MIN_VISIBLE, MIN_SIDE = 0.4, 6.0
SHADOW_SIZE, CONTACT_SIZE = 1536, 320
REACH = 24.0  # half side of the square that casts shadows, metres


@dataclass
class Camera:
    """A pinhole camera at (0, 0, height), looking along +y and down by `pitch`."""

    height: float = 4.0
    pitch: float = 0.2
    pan: float = 0.0
    roll: float = 0.0
    fov: float = 1.05
    width: int = 640
    height_px: int = 360

    def focal(self):
        """Focal length in pixels."""
        return self.width / 2 / np.tan(self.fov / 2)

    def axes(self):
        """Right, forward and up in world axes."""
        return rotation(self.pan, -self.pitch, self.roll).T

    def eye(self):
        """The camera's place."""
        return np.array([0.0, 0.0, self.height])

    def project(self, points):
        """Pixels and 1/depth of world points; 1/depth is 0 for what is behind the camera."""
        right, forward, up = self.axes()
        p = points - self.eye().astype(np.float32)
        depth = p @ forward
        inverse = np.where(depth > 0.25, 1 / np.maximum(depth, 0.25), 0)
        x = self.width / 2 + self.focal() * (p @ right) * inverse
        y = self.height_px / 2 - self.focal() * (p @ up) * inverse
        return np.stack([x, y, inverse], 1).astype(np.float32)

    def ray_basis(self):
        """Rows that give the view ray of a pixel: x, y and constant."""
        right, forward, up = self.axes()
        f = self.focal()
        return np.stack([right / f, -up / f, forward - right * self.width / 2 / f + up * self.height_px / 2 / f])

    def scaled(self, factor):
        """The same view with `factor` times the pixels."""
        return Camera(self.height, self.pitch, self.pan, self.roll, self.fov,
                      self.width * factor, self.height_px * factor)


@dataclass
class Light:
    """Sun, sky and air; colours are linear RGB."""

    azimuth: float = 0.6
    elevation: float = 0.8
    sun: tuple = (2.2, 2.0, 1.7)
    sky: tuple = (.5, .6, .75)
    bounce: tuple = (.28, .24, .2)
    horizon: tuple = (.85, .9, .95)
    zenith: tuple = (.2, .4, .75)
    softness: float = 2.0
    haze: float = .004
    exposure: float = 1.0
    pool: tuple = (0, 0, 0)
    clouds: float = .7
    cloud_offset: float = 0.0

    def direction(self):
        """Unit vector towards the sun."""
        c = np.cos(self.elevation)
        return np.array([c * np.sin(self.azimuth), -c * np.cos(self.azimuth), np.sin(self.elevation)])

    def rows(self):
        """The table that the shader reads."""
        return np.array([self.direction(), self.sun, self.sky, self.bounce, self.horizon, self.zenith,
                         (self.softness, self.haze, self.exposure), self.pool,
                         (self.clouds, self.cloud_offset, 0)], np.float32)


@dataclass
class Ground:
    """What the floor looks like."""

    colour: tuple = (.42, .36, .29)
    broad: float = .5
    fine: float = .35
    slab: float = 0.0
    wet: float = .62
    offset: tuple = (0.0, 0.0)


@dataclass
class Item:
    """A mesh in the world; `kind` is a class name or "clutter", a person also has an outfit."""

    mesh: Mesh
    kind: str = "clutter"
    outfit: object = None
    hat_worn: bool = True
    track: int = -1


@dataclass
class Scene:
    """All that is needed to draw a picture."""

    camera: Camera
    light: Light
    ground: Ground
    items: list = field(default_factory=list)


def joined(items, base=((), [], 0)):
    """One mesh of `base` and the items, as pieces with unique part numbers; the first part of each item; the count."""
    pieces, starts, part = list(base[0]), list(base[1]), base[2]
    mesh = Mesh()
    for item in items:
        starts.append(part)
        if item.kind == "person":
            mesh.pieces += [(*p[:5], np.where(p[5] < 0, -1, p[5] + part)) for p in item.mesh.pieces]
            part += PARTS
        else:
            number = -1 if item.kind == "clutter" else part
            mesh.extend(item.mesh, part=number)
            part += number >= 0
    return pieces + mesh.pieces, starts, part


def noise_texture(size=256, seed=7):
    """Tileable noise from several octaves, spread over 0 to 1."""
    rng = np.random.default_rng(seed)
    total = np.zeros((size, size), np.float32)
    for octave in range(2, 8):
        grid = rng.random((2 ** octave, 2 ** octave)).astype(np.float32)
        wrapped = np.pad(grid, 4, mode="wrap")
        scale = size // 2 ** octave
        big = cv2.resize(wrapped, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
        total += big[4 * scale:4 * scale + size, 4 * scale:4 * scale + size] / 1.7 ** octave
    ranks = (total - total.mean()) / total.std()
    return np.clip(0.5 + ranks / 5, 0, 1).astype(np.float32)


NOISE = noise_texture()


def buffers(height, width):
    """Empty depth, index and weight buffers."""
    return (np.zeros((height, width), np.float32), np.full((height, width), -1, np.int32),
            np.zeros((height, width, 2), np.float32))


def sun_view(light, centre):
    """Turns world points into texels of the shadow map around `centre` and their depth from the sun."""
    sun = light.direction()
    right = np.cross([0, 0, 1.0], sun)
    right /= np.linalg.norm(right)
    scale = SHADOW_SIZE / 2 / REACH
    view = np.zeros((3, 4))
    for row, axis, gain in ((0, right, scale), (1, np.cross(sun, right), scale), (2, sun, 1.0)):
        view[row, :3] = axis * gain
        view[row, 3] = -axis @ centre * gain + (SHADOW_SIZE / 2 if row < 2 else 200.0)
    return view


def contact_map(depth):
    """How much of the sky the things just above the ground hide, from their depth seen from below."""
    height = np.where(depth > 0, 50 - depth, 1e3)
    return cv2.GaussianBlur(np.exp(-height / .6).astype(np.float32), (0, 0), 1.6)


def grown(mask, by):
    """A mask with all pixels up to so many away."""
    size = 2 * int(np.ceil(by)) + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((size, size), np.uint8)) > 0


class Layers:
    """A mesh as the camera, the sun and the ground see it."""

    def __init__(self, view):
        self.seen = buffers(view.camera.height_px, view.camera.width)
        self.sunlit = buffers(SHADOW_SIZE, SHADOW_SIZE)
        self.above = buffers(CONTACT_SIZE, CONTACT_SIZE)

    def copy(self):
        """The same, to be drawn on."""
        other = copy.copy(self)
        other.seen, other.sunlit, other.above = (tuple(map(np.copy, one)) for one in (self.seen, self.sunlit, self.above))
        return other

    def draw(self, view, mesh, first=0):
        """Adds the faces of a mesh from number `first` on."""
        self.mesh, vertices, faces = mesh, mesh[0], mesh[2]
        self.points = view.camera.project(vertices)
        raster.rasterise(self.points, faces, *self.seen, first)
        raster.rasterise(view.from_sun(vertices), faces, *self.sunlit, first)
        raster.rasterise(view.from_below(vertices), faces, *self.above, first)
        self.contact = contact_map(self.above[0])
        return self


class Still:
    """A view whose items do not move, drawn once. With items that do, only what they change is shaded anew."""

    def __init__(self, scene, oversample=2):
        self.scene, self.oversample, self.camera = scene, oversample, scene.camera.scaled(oversample)
        forward = self.camera.axes()[1]
        centre = np.array([forward[0], forward[1], 0]) * (REACH - 6)
        self.sun = sun_view(scene.light, centre)
        self.contact_view = np.array([*(centre[:2] - REACH), CONTACT_SIZE / 2 / REACH], np.float32)
        self.corner = centre[:2] - REACH
        pieces, starts, count = joined(scene.items)
        mesh = Mesh(pieces).arrays()
        self.base = [mesh], starts, count
        self.layers = Layers(self).draw(self, mesh)
        size = (self.camera.height_px, self.camera.width)
        self.picture = self.shade(np.zeros((*size, 3), np.float32), self.layers, np.ones(size, np.bool_))

    def from_sun(self, vertices):
        """Points of the shadow map."""
        return (vertices @ self.sun[:, :3].T + self.sun[:, 3]).astype(np.float32)

    def from_below(self, vertices):
        """Points of the contact map."""
        scale = CONTACT_SIZE / 2 / REACH
        return np.column_stack([(vertices[:, :2] - self.corner) * scale, 50 - vertices[:, 2]]).astype(np.float32)

    def shade(self, out, layers, wanted):
        """Colours the wanted pixels of `out`."""
        _, normals, faces, colours, gloss, _ = layers.mesh
        g, camera, light = self.scene.ground, self.camera, self.scene.light
        ground = np.array([g.broad, g.fine, g.slab, g.wet, *g.offset], np.float32)
        raster.shade(out, wanted, *layers.seen, faces, normals, colours ** 1.5, gloss,
                     camera.eye().astype(np.float32), camera.ray_basis().astype(np.float32),
                     layers.sunlit[0], self.sun.astype(np.float32), layers.contact, self.contact_view, NOISE,
                     light.rows(), ground, np.array(g.colour, np.float32) ** 1.3)
        return out

    @functools.cached_property
    def places(self):
        """Per pixel the texels of the shadow map and of the contact map that its place in the still view has."""
        depth, index, _ = self.layers.seen
        y, x = np.mgrid[:depth.shape[0], :depth.shape[1]].astype(np.float32) + .5
        basis, eye = self.camera.ray_basis().astype(np.float32), self.camera.eye().astype(np.float32)
        rays = x[..., None] * basis[0] + y[..., None] * basis[1] + basis[2]
        down = np.where(rays[..., 2] < -1e-4, -eye[2] / np.minimum(rays[..., 2], -1e-4), raster.FAR)
        distance = np.where(index >= 0, 1 / np.maximum(depth, 1e-6), np.minimum(down, raster.FAR))
        points = (eye + rays * distance[..., None]).reshape(-1, 3)
        texel = lambda p, n: tuple(np.clip(p[:, k], 0, n - 1).astype(np.int32).reshape(depth.shape) for k in (1, 0))
        return texel(self.from_sun(points), SHADOW_SIZE), texel(self.from_below(points), CONTACT_SIZE)

    def changed(self, layers):
        """Pixels that show something else than the still view, or lie in another light."""
        shadow = grown(layers.sunlit[0] != self.layers.sunlit[0], self.scene.light.softness + 4)
        contact = grown(layers.contact != self.layers.contact, 2)
        in_sun, on_ground = self.places
        return (layers.seen[1] != self.layers.seen[1]) | shadow[in_sun] | contact[on_ground]

    def render(self, items=()):
        """An RGB picture (uint8) with further items in it, and the labels of everything in it, however little shows."""
        layers, out = self.layers, self.picture
        pieces, starts, count = joined(items, self.base)
        if items:
            layers = layers.copy().draw(self, Mesh(pieces).arrays(), first=len(layers.mesh[2]))
            out = self.shade(out.copy(), layers, self.changed(layers))
        size = (self.scene.camera.width, self.scene.camera.height_px)
        picture = cv2.resize(out, size, interpolation=cv2.INTER_AREA)
        faces, parts = layers.mesh[2], layers.mesh[5]
        boxes = raster.part_boxes(layers.seen[1], parts, count)
        shown = label([*self.scene.items, *items], starts, boxes, layers.points, faces, parts, self.oversample)
        return (picture * 255 + .5).clip(0, 255).astype(np.uint8), shown


def render(scene, oversample=2):
    """Draw a scene: an RGB picture (uint8) and its labels."""
    picture, shown = Still(scene, oversample).render()
    return picture, [item for item in shown if is_labelled(item, scene.camera)]


def is_labelled(item, camera):
    """Whether enough of something shows for a label."""
    return item["visible"] >= MIN_VISIBLE and min(item["box"][2:]) >= MIN_SIDE * camera.width / 640


def alone(points, faces, parts, first, count):
    """Pixels that each of `count` parts from `first` on would fill if nothing else were there."""
    own = faces[(parts >= first) & (parts < first + count)]
    own_parts = parts[(parts >= first) & (parts < first + count)] - first
    used = points[own.ravel()]
    if len(used) == 0 or (used[:, 2] <= 0).any():
        return None
    low, high = used[:, :2].min(0), used[:, :2].max(0)
    step = max(1.0, (high - low).max() / 400)
    shape = np.ceil((high - low) / step).astype(int) + 1
    local = points.copy()
    local[:, :2] = (points[:, :2] - low) / step
    depth, index, weights = buffers(shape[1], shape[0])
    raster.rasterise(local, own, depth, index, weights)
    return raster.part_boxes(index, own_parts, count)[:, 0] * step ** 2


def union(boxes):
    """Pixels and box of several parts together."""
    seen = boxes[boxes[:, 0] > 0]
    if len(seen) == 0:
        return np.zeros(5, int)
    return np.array([seen[:, 0].sum(), *seen[:, 1:3].min(0), *seen[:, 3:].max(0)])


def targets(item):
    """Class names of an item with the parts that belong to each."""
    if item.kind != "person":
        return [(item.kind, [0])]
    found = [("person", [BODY, HEAD, TORSO] + [HAT] * item.hat_worn)]
    if item.outfit.hat:
        found.append(("hard_hat", [HAT]))
    if not item.hat_worn:
        found.append(("no_hard_hat", [HEAD]))
    found.append(("safety_vest" if item.outfit.vest else "no_safety_vest", [TORSO]))
    return found


def label(items, starts, boxes, points, faces, parts, oversample):
    """What shows of the items: class, track, box and the visible share of each."""
    labels = []
    for item, start in zip(items, starts):
        count = PARTS if item.kind == "person" else 1
        if item.kind == "clutter" or boxes[start:start + count, 0].sum() == 0:
            continue
        full = alone(points, faces, parts, start, count)
        if full is None:
            continue
        for name, numbers in targets(item):
            seen = union(boxes[start:start + count][numbers])
            visible = min(1.0, seen[0] / max(full[numbers].sum(), 1))
            x, y, w, h = (float(v) / oversample for v in (*seen[1:3], seen[3] - seen[1], seen[4] - seen[2]))
            if visible > 0:
                labels.append({"class": name, "track": item.track, "box": [x, y, w, h], "visible": float(visible)})
    return labels
