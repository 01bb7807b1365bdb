"""Renders the demo clip: a fixed scenario of 14 seconds, with its ground truth.

    python -m demo.clip ../tests/data
"""

import argparse
import json
import multiprocessing
import pathlib
import subprocess

import cv2
import numpy as np

from . import props
from .people import HAT_COLOURS, SHIRT_COLOURS, TROUSER_COLOURS, VEST_COLOURS, Outfit, person_mesh, walking
from .render import Camera, Ground, Item, Light, Scene, render
from .scene import driver, placed

FPS, SECONDS, SIZE = 25, 14, (1280, 720)
FRAMES = FPS * SECONDS
CYCLE = 1.45  # metres walked in one cycle of both legs
HAT_OFF, HAT_ON, HAT_MOVE = 3.0, 7.5, 0.5  # seconds
MERGE_MS = 500  # a violation that is hidden for less than this goes on

CAMERA = Camera(3.4, .17, 0.0, 0.0, .88, *SIZE)
LIGHT = Light(azimuth=-.8, elevation=.72, clouds=.8, cloud_offset=37.0, haze=.002)
GROUND = Ground((.45, .39, .31), .55, .45, 0.0, .68, (31.0, 77.0))

# Waypoints: seconds, x, y
PATHS = {
    1: [(0, -4.1, 9.8), (2.3, -1.5, 8.9), (2.8, -1.2, 8.4), (8.2, -1.2, 8.4), (14, 3.0, 7.7)],
    2: [(4.1, 6.2, 10.0), (7.3, 1.9, 9.3), (8.3, 1.7, 9.6), (12, 6.3, 10.4)],
    3: [(0, -3.4, 13.4), (4.5, 1.2, 13.0), (6.5, 1.3, 13.0), (14, -5.6, 13.6)],
    4: [(0, -3.6, 18.0), (14, 11.5, 18.0)],
    5: [(5.6, 11.5, 11.6), (13.2, -9.5, 11.6)],
}
OUTFITS = {
    1: Outfit(hat_colour=HAT_COLOURS[1], vest_colour=VEST_COLOURS[2], shirt=SHIRT_COLOURS[1], trousers=TROUSER_COLOURS[0]),
    2: Outfit(vest=False, hat_colour=HAT_COLOURS[0], shirt=SHIRT_COLOURS[6], trousers=TROUSER_COLOURS[1], pattern=0,
              skin=(.48, .29, .18), height=1.82),
    3: Outfit(hat_colour=HAT_COLOURS[3], vest_colour=VEST_COLOURS[0], shirt=SHIRT_COLOURS[3], trousers=TROUSER_COLOURS[4],
              pattern=1, height=1.68),
    4: Outfit(hat_colour=HAT_COLOURS[2], vest_colour=VEST_COLOURS[0], shirt=SHIRT_COLOURS[0], trousers=TROUSER_COLOURS[3]),
    6: Outfit(hat_colour=HAT_COLOURS[2], vest_colour=VEST_COLOURS[2], shirt=SHIRT_COLOURS[0]),
}


def smooth(values, frames):
    """A time series softened over some frames."""
    column = np.asarray(values, np.float64).reshape(-1, 1)
    return cv2.GaussianBlur(column, (0, 0), frames, borderType=cv2.BORDER_REPLICATE).ravel()


def motion(path, frames=FRAMES, fps=FPS):
    """Per frame: x, y, heading, distance walked and speed along a path of (seconds, x, y)."""
    t = np.arange(frames) / fps
    knots = np.array(path, float)
    x, y = (smooth(np.interp(t, knots[:, 0], knots[:, k]), .22 * fps) for k in (1, 2))
    dx, dy = np.gradient(x), np.gradient(y)
    speed = np.hypot(dx, dy) * fps
    moving = np.flatnonzero(speed > .25) if (speed > .25).any() else np.array([0])
    last = moving[np.clip(np.searchsorted(moving, np.arange(frames), "right") - 1, 0, None)]
    heading = smooth(np.unwrap(np.arctan2(-dx, dy)[last]), .25 * fps)
    return x, y, heading, np.cumsum(speed) / fps, speed


MOTION = {track: motion(path) for track, path in PATHS.items()}


def ease(value):
    """A smooth step from 0 to 1."""
    v = float(np.clip(value, 0, 1))
    return v * v * (3 - 2 * v)


def take_off(pose, t, off, on):
    """Moves a worker's hat: taken off with the right hand, half way at the time `off`, and back at the time `on`."""
    up, low = max(ease(1 - abs(t - off) / .7), ease(1 - abs(t - on) / .7)), pose.arms[1]
    pose.arms[1] = tuple((1 - up) * a + up * b for a, b in zip(low, (2.0, .25, 1.0)))
    pose.hat_lift = ease((t - off) / HAT_MOVE + .5) * (1 - ease((t - on) / HAT_MOVE + .5))


def stride(walked, speed):
    """The pose of somebody who has walked so many metres, at metres a second."""
    pace = min(1.0, speed / 1.2)
    return walking(walked / CYCLE, .5 * pace, .45 * pace, lean=.05 * pace), pace


def pose_of(track, frame):
    """The pose of a worker in a frame."""
    *_, walked, speed = MOTION[track]
    pose, pace = stride(walked[frame], speed[frame])
    if track == 1:
        take_off(pose, frame / FPS, HAT_OFF, HAT_ON)
    if track == 3:
        pose.arms, pose.holds = [(.45, .05, 1.2), (.45, .05, 1.2)], "clipboard"
    if track == 2 and pace < .5:
        pose.head_yaw = .3
    return pose


def worker(track, frame):
    """The item of a worker in a frame."""
    x, y, heading, *_ = (series[frame] for series in MOTION[track])
    outfit, pose = OUTFITS[track], pose_of(track, frame)
    mesh = placed(person_mesh(outfit, pose), x, y, heading)
    return Item(mesh, "person", outfit, outfit.hat and pose.hat_lift < .5, track)


def vehicles(frame):
    """The forklift with its driver, and the excavator that swings in the background."""
    x, y, heading, *_ = (series[frame] for series in MOTION[5])
    truck = props.forklift(np.random.default_rng(5), lift=.18, loaded=True)
    t = frame / FPS
    swing = .9 * np.sin(2 * np.pi * t / 13)
    digger = props.excavator(np.random.default_rng(12), swing=swing, reach=.5 + .4 * np.sin(2 * np.pi * t / 9))
    return [Item(placed(truck, x, y, heading), "forklift", track=5), driver(None, x, y, heading, OUTFITS[6], 6),
            Item(placed(digger, -6.6, 23, 2.5), "machine", track=7)]


def site():
    """What never moves."""
    rng = np.random.default_rng(21)
    cone, items = props.cone(np.random.default_rng(1)), []
    for k, (x, y) in enumerate([(-5.4, 12.3), (-3.9, 10.3), (2.3, 7.6), (3.1, 7.5), (1.0, 14.4)]):
        items.append(Item(placed(cone, x, y, k), "cone", track=8 + k))
    things = [(props.container(rng, 4.6), 3.9, 15.6, .04), (props.scaffold(rng, 2, 2), -9.5, 17, .25),
              (props.pile(rng), -1.6, 25, 0), (props.pallet(rng, True), 7.4, 13.6, .3), (props.barrel(rng), -6.4, 12.9, 0),
              (props.barrel(rng), -7.1, 13.2, 0), (props.pipes(rng), 11.5, 20, .2), (props.toilet(rng), 13.0, 24, -.3),
              (props.building(rng, 18, 5), -20, 52, .1), (props.building(rng, 24, 3), 14, 60, -.05),
              (props.tower_crane(rng), 6, 75, 0), (props.tower_crane(rng), -34, 90, 0)]
    items += [Item(placed(mesh, x, y, yaw)) for mesh, x, y, yaw in things]
    return items + [Item(placed(props.fence(rng), 7.2 * k, 30)) for k in range(-4, 5)]


def draw(frame):
    """Picture and labels of a frame."""
    people = [worker(track, frame) for track in (1, 2, 3, 4)]
    return render(Scene(CAMERA, LIGHT, GROUND, people + vehicles(frame) + site()))


def rounded(labels):
    """Labels with as many digits as are worth writing."""
    return [{**item, "box": [round(v, 1) for v in item["box"]], "visible": round(item["visible"], 2)} for item in labels]


def truth_line(frame, labels, fps=FPS, **more):
    """The ground truth of a frame as one line of JSON."""
    return json.dumps({"frame": frame, "pts_ms": frame * 1000 // fps, "objects": rounded(labels), **more})


def violations(lines, fps=FPS):
    """Intervals in which a worker is seen without hat or vest."""
    spans = {}
    for line in map(json.loads, lines):
        for item in line["objects"]:
            if not item["class"].startswith("no_"):
                continue
            found = spans.setdefault((item["track"], item["class"]), [])
            start, end = line["pts_ms"], line["pts_ms"] + 1000 // fps
            if found and start - found[-1][1] <= MERGE_MS:
                found[-1][1] = end
            else:
                found.append([start, end])
    return [{"track": track, "class": name, "start_ms": a, "end_ms": b}
            for (track, name), found in sorted(spans.items()) for a, b in found]


def encoder(path, size=SIZE, fps=FPS):
    """FFmpeg that reads RGB frames of a size and writes H.264 high profile, BT.709 limited range."""
    convert = ("scale=in_range=pc:out_range=tv:out_color_matrix=bt709:flags=accurate_rnd+full_chroma_int,format=yuv420p,"
               "setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709")
    return subprocess.Popen(
        ["ffmpeg", "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}",
         "-r", str(fps), "-i", "-", "-vf", convert, "-c:v", "libx264", "-profile:v", "high", "-preset", "slow",
         "-crf", "22", "-bf", "3", "-g", "50", "-movflags", "+faststart", str(path)], stdin=subprocess.PIPE)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    lines, video = [], encoder(folder / "site.mp4")
    with multiprocessing.get_context("spawn").Pool() as pool:
        for frame, (picture, labels) in enumerate(pool.imap(draw, range(FRAMES), 4)):
            video.stdin.write(picture.tobytes())
            lines.append(truth_line(frame, labels))
    video.stdin.close()
    video.wait()
    (folder / "site.truth.jsonl").write_text("\n".join(lines) + "\n")
    rows = ",\n  ".join(map(json.dumps, violations(lines)))
    (folder / "site.violations.json").write_text(f"[\n  {rows}\n]\n")


if __name__ == "__main__":
    main()
