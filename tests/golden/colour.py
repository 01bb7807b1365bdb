"""Frames of every pixel format and the tensors that they become, computed in double precision."""

import cv2
import numpy as np

from images import blobs
from reference import PAD, fit

WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
PACKED = {
    "RGB": "rgb", "BGR": "bgr", "RGBA": "rgba", "BGRA": "bgra", "ARGB": "argb", "ABGR": "abgr",
    "RGBx": "rgbx", "BGRx": "bgrx", "xRGB": "xrgb", "xBGR": "xbgr",
}  # fmt: skip

# Format, matrix, range, source size, input size, resize, noise.
CASES = [
    ("NV12", "bt601", "limited", (64, 48), (40, 40), "letterbox", False),
    ("NV12", "bt709", "limited", (64, 48), (32, 32), "letterbox", True),
    ("NV12", "bt709", "full", (33, 51), (64, 64), "letterbox", False),
    ("NV12", "bt2020", "full", (96, 54), (32, 32), "top-left", True),
    ("NV12", "bt601", "limited", (1, 1), (24, 16), "letterbox", True),
    ("NV12", "bt709", "limited", (1, 37), (32, 32), "stretch", True),
    ("I420", "bt601", "full", (33, 51), (32, 24), "letterbox", True),
    ("I420", "bt709", "limited", (47, 21), (64, 48), "stretch", False),
    ("I420", "bt2020", "limited", (64, 48), (40, 40), "letterbox", False),
    ("YV12", "bt709", "limited", (35, 22), (32, 32), "letterbox", True),
    ("P010", "bt2020", "limited", (64, 48), (40, 40), "letterbox", False),
    ("P010", "bt709", "full", (33, 51), (32, 32), "stretch", True),
    ("GRAY8", "bt709", "full", (33, 21), (32, 32), "letterbox", False),
    ("GRAY8", "bt601", "limited", (20, 20), (40, 40), "stretch", True),
    *[(name, "bt709", "limited", (37, 23), (32, 32), "letterbox", True) for name in PACKED],
]


def levels(kind, bits):
    """Black, span of luma and span of chroma in code values."""
    unit = 1 << (bits - 8)
    return (16 * unit, 219 * unit, 224 * unit) if kind == "limited" else (0, 2**bits - 1, 2**bits - 1)


def to_yuv(rgb, matrix, kind, bits):
    """Code values of an RGB image, chroma averaged over 2x2 pixels (fewer at odd borders)."""
    red, blue = WEIGHTS[matrix]
    black, luma_span, chroma_span = levels(kind, bits)
    r, g, b = np.moveaxis(rgb / 255.0, 2, 0)
    y = red * r + (1 - red - blue) * g + blue * b
    chroma = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    height, width = y.shape
    padded = [np.pad(c, ((0, height % 2), (0, width % 2)), "edge") for c in chroma]
    half = [c.reshape(c.shape[0] // 2, 2, -1, 2).mean((1, 3)) for c in padded]
    code = lambda value: np.clip(np.rint(value), 0, 2**bits - 1).astype(np.uint16)
    return code(black + luma_span * y), *[code((1 << (bits - 1)) + chroma_span * c) for c in half]


def to_rgb(y, u, v, matrix, kind, bits):
    """8-bit RGB of code values, each chroma sample repeated over its 2x2 pixels."""
    red, blue = WEIGHTS[matrix]
    black, luma_span, chroma_span = levels(kind, bits)
    wide = lambda c: c.repeat(2, 0).repeat(2, 1)[: y.shape[0], : y.shape[1]].astype(np.float64)
    luma = (y.astype(np.float64) - black) / luma_span
    cb, cr = ((wide(c) - (1 << (bits - 1))) / chroma_span for c in (u, v))
    r, b = luma + (2 - 2 * red) * cr, luma + (2 - 2 * blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.rint(255 * np.stack([r, g, b], 2)), 0, 255).astype(np.uint8)


def pack(name, rgb, matrix, kind, random):
    """The planes of a frame as bytes, and the RGB image that they mean. With `random`, of noise instead of `rgb`."""
    height, width = rgb.shape[:2]
    if name in PACKED:
        rgb = random.integers(0, 256, rgb.shape, np.uint8) if random else rgb
        channels = {"r": rgb[..., 0], "g": rgb[..., 1], "b": rgb[..., 2]}
        filler = np.full((height, width), 77, np.uint8)
        return np.stack([channels.get(letter, filler) for letter in PACKED[name]], 2).tobytes(), rgb
    bits = 10 if name == "P010" else 8
    y, u, v = to_yuv(rgb, matrix, kind, bits)
    if random:
        y, u, v = (random.integers(0, 2**bits, c.shape).astype(np.uint16) for c in (y, u, v))
    if name == "GRAY8":
        u = v = np.full_like(u, 128)
    meant = to_rgb(y, u, v, matrix, kind, bits)
    if name == "P010":
        # What the lower 6 bits hold does not matter.
        return b"".join(((c << 6) | 21).astype("<u2").tobytes() for c in (y, np.stack([u, v], 2))), meant
    planes = {"NV12": (y, np.stack([u, v], 2)), "I420": (y, u, v), "YV12": (y, v, u), "GRAY8": (y,)}[name]
    return b"".join(plane.astype(np.uint8).tobytes() for plane in planes), meant


def bilinear(image, width, height):
    """Half-pixel-centred bilinear resizing, rounded to 8 bits."""

    def taps(source, size):
        at = np.clip((np.arange(size) + 0.5) * source / size - 0.5, 0, source - 1)
        first = np.floor(at).astype(int)
        return first, np.minimum(first + 1, source - 1), at - first

    y0, y1, wy = taps(image.shape[0], height)
    x0, x1, wx = taps(image.shape[1], width)
    pixels, wx, wy = image.astype(np.float64), wx[None, :, None], wy[:, None, None]
    rows = pixels[:, x0] * (1 - wx) + pixels[:, x1] * wx
    return np.rint(rows[y0] * (1 - wy) + rows[y1] * wy).astype(np.uint8)


def expected(rgb, size, resize):
    """The input image; OpenCV must agree to one step."""
    by_opencv, scale, (left, top) = fit(rgb, size, resize)
    inner = size if resize == "stretch" else tuple(max(1, round(n * scale[0])) for n in (rgb.shape[1], rgb.shape[0]))
    image = np.full((size[1], size[0], 3), PAD, np.uint8)
    image[top : top + inner[1], left : left + inner[0]] = bilinear(rgb, *inner)
    assert np.abs(image.astype(int) - by_opencv).max() <= 1
    return image


def all_cases():
    """Descriptions, and all bytes: for each case the frame's planes, then the RGB image (row by row) expected of it."""
    described, data = [], b""
    for seed, (name, matrix, kind, source, size, resize, noise) in enumerate(CASES):
        rgb = blobs(*source, 6, 100 + seed)
        frame, meant = pack(name, rgb, matrix, kind, np.random.Generator(np.random.PCG64(seed)) if noise else None)
        image = expected(meant, size, resize)
        described.append({
            "format": name, "matrix": matrix, "range": kind, "source": source, "input": size, "resize": resize,
            "frame": len(frame),
        })
        data += frame + image.tobytes()
    return described, data
