"""Random work sites: light, ground, camera and what stands around, all from one seed."""

import numpy as np

from . import props
from .mesh import Mesh
from .people import Pose, person_mesh, random_outfit, random_pose
from .render import Camera, Ground, Item, Light, Scene, render

GROUNDS = [
    Ground((.43, .36, .28), .55, .45, 0.0, .66),
    Ground((.5, .46, .4), .4, .6, 0.0, .7),
    Ground((.47, .46, .44), .25, .25, 3.0, .68),
    Ground((.2, .2, .21), .3, .4, 0.0, .66),
    Ground((.36, .3, .24), .6, .5, 0.0, .6),
]
SIZES = [(640, 360)] * 7 + [(640, 384), (512, 384), (640, 480)]


def placed(mesh, x, y, yaw=0.0, z=0.0, scale=1.0):
    """A copy of a mesh, standing at (x, y)."""
    out = Mesh()
    out.extend(mesh, yaw, (x, y, z), scale)
    return out


def random_light(rng, indoor):
    """Daylight, overcast, dusk, night under lamps, or a lit hall."""
    jitter = lambda c, s=.08: tuple(np.clip(np.array(c) * rng.normal(1, s, 3), 0, 4))
    look = dict(azimuth=rng.uniform(-2.2, 2.2), exposure=rng.uniform(.75, 1.25), cloud_offset=rng.uniform(0, 200))
    if indoor:
        return Light(elevation=rng.uniform(1.0, 1.4), sun=jitter((.75, .74, .7)), sky=jitter((.55, .55, .54)),
                     bounce=jitter((.3, .29, .28)), horizon=jitter((.45, .46, .47)), zenith=(.2, .2, .2),
                     softness=rng.uniform(6, 14), haze=.001, **look)
    kind = rng.choice(["sun", "cloud", "dusk", "night"], p=[.5, .22, .15, .13])
    if kind == "sun":
        return Light(elevation=rng.uniform(.45, 1.3), sun=jitter((2.1, 1.95, 1.65)), sky=jitter((.48, .58, .74)),
                     clouds=rng.uniform(0, 1), softness=rng.uniform(1.5, 3), haze=rng.uniform(.001, .004), **look)
    if kind == "cloud":
        return Light(elevation=rng.uniform(.8, 1.3), sun=jitter((.45, .45, .44)), sky=jitter((.85, .88, .92)),
                     bounce=jitter((.4, .37, .33)), horizon=jitter((.82, .84, .86)), zenith=jitter((.55, .6, .66)),
                     softness=rng.uniform(8, 20), haze=rng.uniform(.002, .012), **look)
    if kind == "dusk":
        return Light(elevation=rng.uniform(.16, .4), sun=jitter((2.0, 1.1, .5)), sky=jitter((.32, .33, .45)),
                     bounce=jitter((.22, .17, .14)), horizon=jitter((1.0, .62, .36)), zenith=jitter((.16, .2, .42)),
                     softness=rng.uniform(2, 4), haze=rng.uniform(.002, .008), **look)
    return Light(elevation=rng.uniform(.6, 1.1), sun=jitter((1.6, 1.45, 1.1)), sky=jitter((.09, .1, .14)),
                 bounce=jitter((.06, .055, .05)), horizon=jitter((.05, .06, .09)), zenith=jitter((.01, .012, .03)),
                 softness=rng.uniform(2, 4), haze=.003, pool=(rng.uniform(-5, 5), rng.uniform(6, 16), rng.uniform(8, 18)),
                 clouds=.2, **look)


def random_camera(rng):
    """A camera on a mast, a wall or a tripod."""
    width, height = SIZES[rng.integers(len(SIZES))]
    up = float(np.exp(rng.uniform(np.log(1.7), np.log(7.0))))
    target = rng.uniform(7, 18)
    pitch = np.arctan2(up - 1.0, target) + rng.normal(0, .04)
    return Camera(up, pitch, 0.0, rng.normal(0, .02), rng.uniform(.7, 1.35), width, height)


class Placer:
    """Finds free spots on the ground in front of the camera."""

    def __init__(self, rng, camera):
        self.rng, self.camera, self.taken = rng, camera, []

    def spot(self, near, far, radius):
        """A place between two distances; None when the tries run out."""
        for _ in range(12):
            y = float(np.exp(self.rng.uniform(np.log(near), np.log(far))))
            x = y * np.tan(self.camera.fov / 2) * self.rng.uniform(-1.08, 1.08)
            if all((x - a) ** 2 + (y - b) ** 2 > (radius + r) ** 2 for a, b, r in self.taken):
                self.taken.append((x, y, radius))
                return x, y
        return None


def add_people(scene, rng, place):
    """Workers, from close up to far away."""
    focal = 640 / 2 / np.tan(scene.camera.fov / 2)
    near, far = max(2.6, focal * 1.75 / 320), focal * 1.75 / 48
    for _ in range(rng.choice(11, p=np.array([3, 8, 12, 14, 14, 13, 11, 9, 7, 5, 4]) / 100)):
        spot = place.spot(near, far, .35)
        if spot is None:
            continue
        outfit, pose = random_outfit(rng), random_pose(rng)
        worn = outfit.hat
        if not outfit.hat and rng.random() < .08 and not pose.holds:
            outfit.hat, pose.hat_lift = True, 1.0
        mesh = placed(person_mesh(outfit, pose), *spot, yaw=rng.uniform(0, 2 * np.pi))
        scene.items.append(Item(mesh, "person", outfit, worn))


def add_vehicles(scene, rng, place):
    """Forklifts, some with a driver, and machines."""
    for _ in range(rng.choice(3, p=[.5, .38, .12])):
        spot = place.spot(4.5, 26, 1.3)
        if spot is None:
            continue
        yaw, at = rng.uniform(0, 2 * np.pi), dict(x=spot[0], y=spot[1])
        scene.items.append(Item(placed(props.forklift(rng), **at, yaw=yaw), "forklift"))
        if rng.random() < .6:
            scene.items.append(driver(rng, *spot, yaw))
    for _ in range(rng.choice(3, p=[.5, .38, .12])):
        spot = place.spot(8, 42, 2.6)
        if spot is not None:
            make = props.MACHINES[rng.integers(len(props.MACHINES))]
            scene.items.append(Item(placed(make(rng), *spot, yaw=rng.uniform(0, 2 * np.pi)), "machine"))


def driver(rng, x, y, yaw, outfit=None, track=-1):
    """A worker on the seat of a forklift at (x, y)."""
    outfit = outfit or random_outfit(rng)
    pose = Pose(crouch=.95, arms=[(.9, .1, .4), (.9, .1, .4)])
    seat = np.array([[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]) @ [0, -.3]
    mesh = placed(person_mesh(outfit, pose), x + seat[0], y + seat[1], yaw, .86, .92)
    return Item(mesh, "person", outfit, outfit.hat, track)


def add_clutter(scene, rng, place):
    """Cones in rows or alone, and everything that merely stands about."""
    if rng.random() < .65:
        shape = props.cone(rng)
        for _ in range(rng.integers(1, 7)):
            spot = place.spot(3.2, 24, .25)
            if spot is not None:
                scene.items.append(Item(placed(shape, *spot, yaw=rng.uniform(0, 6)), "cone"))
    for _ in range(rng.integers(2, 10)):
        make = props.CLUTTER[rng.integers(len(props.CLUTTER))]
        big = make in (props.fence, props.scaffold, props.container)
        spot = place.spot(8 if big else 3.5, 30, 2.2 if big else .8)
        if spot is not None:
            scene.items.append(Item(placed(make(rng), *spot, yaw=rng.normal(0, .6) + np.pi / 2 * rng.integers(4))))


def add_surroundings(scene, rng, indoor):
    """What closes the view: a hall, or buildings, fences and cranes."""
    if indoor:
        scene.items.append(Item(props.hall(rng, rng.uniform(22, 40), rng.uniform(18, 36), rng.uniform(6, 10))))
        return
    for _ in range(rng.integers(0, 5)):
        mesh = props.building(rng, rng.uniform(10, 24), int(rng.integers(1, 8)))
        scene.items.append(Item(placed(mesh, rng.uniform(-50, 50), rng.uniform(40, 90), rng.normal(0, .15))))
    for _ in range(rng.integers(0, 3)):
        scene.items.append(Item(placed(props.tower_crane(rng), rng.uniform(-50, 50), rng.uniform(55, 120))))
    if rng.random() < .5:
        for k in range(-4, 5):
            scene.items.append(Item(placed(props.fence(rng), 7.2 * k, rng.uniform(29, 30))))


def random_scene(seed):
    """A whole scene from a seed."""
    rng = np.random.default_rng(seed)
    indoor = rng.random() < .2
    ground = GROUNDS[2 if indoor else rng.integers(len(GROUNDS))]
    tint = tuple(np.clip(np.array(ground.colour) * rng.normal(1, .1) * rng.normal(1, .03, 3), .05, .8))
    ground = Ground(tint, ground.broad, ground.fine, ground.slab, ground.wet + rng.uniform(-.02, .3),
                    tuple(rng.uniform(0, 256, 2)))
    scene = Scene(random_camera(rng), random_light(rng, indoor), ground)
    place = Placer(rng, scene.camera)
    add_surroundings(scene, rng, indoor)
    add_vehicles(scene, rng, place)
    add_people(scene, rng, place)
    add_clutter(scene, rng, place)
    return scene


def picture(seed):
    """The picture and the labels of a random scene."""
    return render(random_scene(seed))
