"""Renders short clips of random sites with workers who walk about, each with its ground truth.

    python -m demo.episodes build/episodes --seeds 9000 9012
    python -m demo.episodes build/compliant --seeds 9500 9520 --compliant

    python -m demo.episodes build/hour --seeds 10000 10300 --compliant --fps 5

Training uses other seeds: nothing here was seen by the demo model. A frame's truth has what is labelled, as everywhere
else, and `hidden`: what shows too little of itself to be labelled, so that finding it is neither right nor wrong.
"""

import argparse
import json
import multiprocessing
import pathlib

import numpy as np

from . import clip
from .people import person_mesh, random_outfit
from .render import Camera, Item, Scene, Still, is_labelled
from .scene import Placer, add_clutter, add_surroundings, add_vehicles, placed, random_scene

SECONDS, SIZE = 12, (640, 360)


class Worker:
    """One who walks from place to place. May lack a vest or a hat, or take the hat off for a while."""

    def __init__(self, rng, camera, track, compliant, fps):
        self.track, self.fps = track, fps
        kind = "compliant" if compliant else rng.choice(["compliant", "no vest", "no hat", "hat off"], p=[.4, .2, .2, .2])
        self.outfit = random_outfit(rng, hat=kind != "no hat", vest=kind != "no vest")
        self.pause = tuple(np.sort(rng.uniform(1.0, SECONDS - 1.0, 2))) if kind == "hat off" else None
        self.motion = clip.motion(self.path(rng, camera), SECONDS * fps, fps)

    @staticmethod
    def path(rng, camera):
        """Three to five places between 5 and 13 m away, with a rest at some; (seconds, x, y)."""
        times = np.concatenate([[0], np.sort(rng.uniform(1, SECONDS - 1, rng.integers(1, 4))), [SECONDS]])
        y = rng.uniform(5, 13)
        x = y * np.tan(camera.fov / 2) * rng.uniform(-.9, .9)
        places = [(0.0, x, y)]
        for before, after in zip(times, times[1:]):
            reach = 1.2 * (after - before) * (rng.random() < .8)
            y = float(np.clip(y + reach * rng.uniform(-.4, .4), 4.5, 15))
            width = y * np.tan(camera.fov / 2) * .95
            x = float(np.clip(x + reach * rng.uniform(-1, 1), -width, width))
            places.append((float(after), x, y))
        return places

    def item(self, frame):
        """The worker in a frame."""
        x, y, heading, walked, speed = (series[frame] for series in self.motion)
        pose, _ = clip.stride(walked, speed)
        if self.pause:
            clip.take_off(pose, frame / self.fps, *self.pause)
        worn = self.outfit.hat and pose.hat_lift < .5
        return Item(placed(person_mesh(self.outfit, pose), x, y, heading), "person", self.outfit, worn, self.track)


class Episode:
    """A random site with two to five workers, all from one seed."""

    def __init__(self, seed, compliant, fps):
        rng = np.random.default_rng([seed, 1])
        like = random_scene(seed)
        pitch = rng.uniform(.1, .25)
        scene = Scene(Camera(3.0 + 6 * pitch, pitch, 0.0, 0.0, rng.uniform(.8, 1.1), *SIZE), like.light, like.ground)
        place = Placer(rng, scene.camera)
        place.taken.append((0.0, 9.0, 4.0))  # room to walk
        add_surroundings(scene, rng, like.ground.slab > 0)
        add_vehicles(scene, rng, place)
        scene.items = [item for item in scene.items if item.kind != "person"]
        add_clutter(scene, rng, place)
        self.workers = [Worker(rng, scene.camera, track, compliant, fps) for track in range(1, rng.integers(3, 7))]
        self.camera, self.still = scene.camera, Still(scene)

    def draw(self, frame):
        """Picture, labels and what shows too little for a label, of a frame."""
        picture, shown = self.still.render([worker.item(frame) for worker in self.workers])
        split = {True: [], False: []}
        for item in shown:
            split[is_labelled(item, self.camera)].append(item)
        return picture, split[True], split[False]


def write(job):
    """Renders an episode to a clip and its ground truth."""
    seed, compliant, fps, folder = job
    episode, lines = Episode(seed, compliant, fps), []
    video = clip.encoder(folder / f"{seed}.mp4", SIZE, fps)
    for frame in range(SECONDS * fps):
        picture, labels, hidden = episode.draw(frame)
        video.stdin.write(picture.tobytes())
        lines.append(clip.truth_line(frame, labels, fps, hidden=clip.rounded(hidden)))
    video.stdin.close()
    video.wait()
    (folder / f"{seed}.truth.jsonl").write_text("\n".join(lines) + "\n")
    (folder / f"{seed}.violations.json").write_text(json.dumps(clip.violations(lines, fps), indent=1) + "\n")
    return seed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--seeds", nargs=2, type=int, default=(9000, 9012), metavar=("FROM", "TO"))
    parser.add_argument("--compliant", action="store_true", help="everybody wears hat and vest")
    parser.add_argument("--fps", type=int, default=10, help="frames per second (default: 10)")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    jobs = [(seed, options.compliant, options.fps, options.folder) for seed in range(*options.seeds)]
    with multiprocessing.get_context("spawn").Pool() as pool:
        for seed in pool.imap_unordered(write, jobs):
            print(f"{seed}.mp4", flush=True)


if __name__ == "__main__":
    main()
