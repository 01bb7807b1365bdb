"""A small software rasteriser: z-buffered triangles and deferred shading, compiled by Numba."""

import numpy as np
from numba import njit

FAR = 400.0
TAPS = np.array([(0.316, 0.0), (-0.404, 0.370), (0.062, -0.704), (0.510, 0.663), (-0.934, -0.165)])


@njit(cache=True, inline="always")
def span(value, slope, first, last):
    """The part of `first` to `last` where value + slope * x is not negative."""
    if slope > 0:
        return max(first, -value / slope), last
    if slope < 0:
        return first, min(last, -value / slope)
    return (first, last) if value >= 0 else (1.0, 0.0)


@njit(cache=True, fastmath=True)
def rasterise(points, faces, depth, index, weights, first=0):
    """Draw triangles from number `first` on into `depth` (larger is nearer) with their index and barycentric weights.

    `points` holds x, y in pixels and a depth value that is linear on the screen; a
    triangle with a depth of zero or less at any corner is left out.
    """
    height, width = depth.shape
    for f in range(first, faces.shape[0]):
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        if a[2] <= 0 or b[2] <= 0 or c[2] <= 0:
            continue
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-9:
            continue
        x0 = max(0, int(np.ceil(min(a[0], b[0], c[0]) - 0.5)))
        x1 = min(width - 1, int(np.floor(max(a[0], b[0], c[0]) - 0.5)))
        y0 = max(0, int(np.ceil(min(a[1], b[1], c[1]) - 0.5)))
        y1 = min(height - 1, int(np.floor(max(a[1], b[1], c[1]) - 0.5)))
        inv = 1.0 / area
        du, dv = (b[1] - c[1]) * inv, (c[1] - a[1]) * inv
        for y in range(y0, y1 + 1):
            py = y + 0.5
            u0 = ((b[0] - x0 - 0.5) * (c[1] - py) - (b[1] - py) * (c[0] - x0 - 0.5)) * inv
            v0 = ((c[0] - x0 - 0.5) * (a[1] - py) - (c[1] - py) * (a[0] - x0 - 0.5)) * inv
            first, last = span(u0, du, 0.0, float(x1 - x0))
            first, last = span(v0, dv, first, last)
            first, last = span(1.0 - u0 - v0, -du - dv, first, last)
            for x in range(x0 + int(np.ceil(first)), x0 + int(np.floor(last)) + 1):
                u, v = u0 + du * (x - x0), v0 + dv * (x - x0)
                z = u * a[2] + v * b[2] + (1.0 - u - v) * c[2]
                if z > depth[y, x]:
                    depth[y, x] = z
                    index[y, x] = f
                    weights[y, x, 0] = u
                    weights[y, x, 1] = v


@njit(cache=True, fastmath=True)
def sample(texture, x, y):
    """Bilinear look-up in a square texture that repeats."""
    n = texture.shape[0]
    fx, fy = np.floor(x), np.floor(y)
    tx, ty = x - fx, y - fy
    i, j = int(fx) % n, int(fy) % n
    k, m = (i + 1) % n, (j + 1) % n
    top = texture[j, i] * (1 - tx) + texture[j, k] * tx
    bottom = texture[m, i] * (1 - tx) + texture[m, k] * tx
    return top * (1 - ty) + bottom * ty


@njit(cache=True, fastmath=True)
def lit_fraction(shadow, light_view, pos, softness, turn):
    """Share of the sun that reaches `pos`, from five taps of the shadow map."""
    n = shadow.shape[0]
    u = light_view[0, 0] * pos[0] + light_view[0, 1] * pos[1] + light_view[0, 2] * pos[2] + light_view[0, 3]
    v = light_view[1, 0] * pos[0] + light_view[1, 1] * pos[1] + light_view[1, 2] * pos[2] + light_view[1, 3]
    d = light_view[2, 0] * pos[0] + light_view[2, 1] * pos[1] + light_view[2, 2] * pos[2] + light_view[2, 3]
    lit = 0.0
    ct, st = softness * np.cos(turn), softness * np.sin(turn)
    for k in range(5):
        x = int(u + TAPS[k, 0] * ct - TAPS[k, 1] * st)
        y = int(v + TAPS[k, 0] * st + TAPS[k, 1] * ct)
        if x < 0 or y < 0 or x >= n or y >= n or shadow[y, x] <= d + 0.06:
            lit += 0.2
    return lit


@njit(cache=True, fastmath=True)
def ground_albedo(x, y, noise, ground):
    """Colour factor of the ground at a point: broad and fine noise, slab joints, wet patches."""
    broad = sample(noise, x * 7.0 + ground[4], y * 7.0 + ground[5])
    fine = sample(noise, x * 61.0, y * 61.0 + ground[4])
    grit = sample(noise, x * 290.0, y * 290.0)
    patch = sample(noise, x * 2.1 + ground[5], y * 2.1)
    value = 1.0 + ground[0] * (broad - 0.5) + ground[1] * (fine + 0.8 * grit - 0.9) + 0.45 * (patch - 0.5)
    if ground[2] > 0:
        jx = abs(x / ground[2] - np.round(x / ground[2])) * ground[2]
        jy = abs(y / ground[2] - np.round(y / ground[2])) * ground[2]
        joint = min(jx, jy)
        if joint < 0.03:
            value *= 0.62
    wet = max(0.0, min(1.0, (patch * 0.75 + broad * 0.25 - ground[3]) * 9.0))
    return value, wet


@njit(cache=True, fastmath=True)
def face_normal(f, weight, faces, normals, ray, nrm):
    """Write the normal inside face `f`, turned towards the viewer, into `nrm`."""
    u, v = weight[0], weight[1]
    w = 1.0 - u - v
    side = 0.0
    for i in range(3):
        nrm[i] = u * normals[faces[f, 0], i] + v * normals[faces[f, 1], i] + w * normals[faces[f, 2], i]
        side += nrm[i] * ray[i]
    scale = 1.0 / np.sqrt(nrm[0] ** 2 + nrm[1] ** 2 + nrm[2] ** 2 + 1e-12)
    if side > 0:
        scale = -scale
    for i in range(3):
        nrm[i] *= scale


@njit(cache=True, fastmath=True)
def sky(out, ray, light, noise):
    """Write the sky's colour in the direction of `ray` into `out`."""
    length = np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
    up = max(0.0, ray[2] / length)
    blend = up ** 0.55
    cloud = 0.0
    if up > 0.01:
        q = 14.0 / (up + 0.12)
        a = sample(noise, ray[0] / length * q + light[8, 1], ray[1] / length * q)
        b = sample(noise, ray[0] / length * q * 4, ray[1] / length * q * 4 + light[8, 1])
        cloud = light[8, 0] * max(0.0, min(1.0, (0.72 * a + 0.28 * b - 0.46) * 5.0))
    for i in range(3):
        c = light[4, i] * (1 - blend) + light[5, i] * blend
        out[i] = c + cloud * (0.55 * light[4, i] + 0.21 * light[1, i] - 0.5 * c)


@njit(cache=True, fastmath=True)
def sunlight(pos, nrm, turn, shadow, light_view, light):
    """How much of the sun, or of the lamp's pool of light, gets to a surface that faces it."""
    pool = 1.0
    if light[7, 2] > 0:
        dx, dy = pos[0] - light[7, 0], pos[1] - light[7, 1]
        pool = 1.0 / (1.0 + (dx * dx + dy * dy) / light[7, 2] ** 2)
    for i in range(3):
        pos[i] += nrm[i] * 0.045
    return lit_fraction(shadow, light_view, pos, light[6, 0], turn) * pool


@njit(cache=True, fastmath=True)
def surface(out, ray, nrm, rgb, shine, lambert, reach, open_sky, distance, light):
    """Write the colour of a lit surface, seen through haze, into `out`."""
    length = np.sqrt(ray[0] ** 2 + ray[1] ** 2 + ray[2] ** 2)
    facing = (nrm[0] * ray[0] + nrm[1] * ray[1] + nrm[2] * ray[2]) / length
    glint = fresnel = 0.0
    if shine > 0:
        bounce = 0.0
        for i in range(3):
            bounce += (ray[i] / length - 2 * facing * nrm[i]) * light[0, i]
        glint = shine * reach * max(0.0, bounce) ** 24
        fresnel = shine * (0.12 + 0.7 * (1.0 + facing) ** 3)
    haze = 1.0 - np.exp(-max(0.0, distance - 6.0) * light[6, 1])
    up = 0.5 + 0.5 * nrm[2]
    for i in range(3):
        ambient = (light[2, i] * up + light[3, i] * (1 - up)) * open_sky
        c = rgb[i] * (ambient + light[1, i] * reach * max(0.0, lambert)) + glint * light[1, i] * 0.8
        c += fresnel * (light[4, i] - c) * open_sky
        out[i] = c * (1 - haze) + light[4, i] * haze


@njit(cache=True, fastmath=True)
def shade(out, wanted, depth, index, weights, faces, normals, colours, gloss, eye, basis,
          shadow, light_view, contact, contact_view, noise, light, ground, ground_rgb):
    """Colour the `wanted` pixels of `out` (display values, 0 to 1).

    `basis` turns pixel coordinates into view rays; `light` rows: sun direction, sun
    colour, sky ambient, ground ambient, horizon colour, zenith colour,
    (shadow softness, haze, exposure), (pool x, pool y, pool radius), (clouds, offset, 0).
    """
    height, width = depth.shape
    pos, nrm, rgb, ray = np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32), np.empty(3, np.float32)
    for y in range(height):
        for x in range(width):
            if not wanted[y, x]:
                continue
            for i in range(3):
                ray[i] = basis[0, i] * (x + 0.5) + basis[1, i] * (y + 0.5) + basis[2, i]
            f = index[y, x]
            distance, open_sky = FAR, 1.0
            if f >= 0:
                distance, shine = 1.0 / depth[y, x], gloss[f]
                face_normal(f, weights[y, x], faces, normals, ray, nrm)
            elif ray[2] < -1e-4 and -eye[2] / ray[2] < FAR:
                distance = -eye[2] / ray[2]
            else:
                sky(out[y, x], ray, light, noise)
            for i in range(3):
                pos[i] = eye[i] + ray[i] * distance
                rgb[i] = colours[max(f, 0), i]
            if f >= 0:
                open_sky = 0.72 + 0.28 * min(1.0, max(0.0, pos[2] * 1.6))
            elif distance < FAR:
                nrm[0], nrm[1], nrm[2] = 0.0, 0.0, 1.0
                value, wet = ground_albedo(pos[0], pos[1], noise, ground)
                shine = 0.35 * wet
                for i in range(3):
                    rgb[i] = ground_rgb[i] * value * (1.0 - 0.45 * wet)
                cx = (pos[0] - contact_view[0]) * contact_view[2]
                cy = (pos[1] - contact_view[1]) * contact_view[2]
                if 0 <= cx < contact.shape[0] - 1 and 0 <= cy < contact.shape[0] - 1:
                    open_sky = 1.0 - 0.75 * sample(contact, cx - 0.5, cy - 0.5)
            if distance < FAR:
                lambert = nrm[0] * light[0, 0] + nrm[1] * light[0, 1] + nrm[2] * light[0, 2]
                turn = 6.2831853 * ((52.9829 * ((0.06711 * x + 0.00584 * y) % 1.0)) % 1.0)
                reach = sunlight(pos, nrm, turn, shadow, light_view, light) if lambert > 0 else 0.0
                surface(out[y, x], ray, nrm, rgb, shine, lambert, reach, open_sky, distance, light)
            for i in range(3):
                c = max(0.0, out[y, x, i] * light[6, 2])
                out[y, x, i] = min(1.0, np.sqrt(c * (1.1 + 0.25 * c) / (1.0 + 0.5 * c)))


@njit(cache=True)
def part_boxes(index, parts, count):
    """Per part: number of pixels and the box x0, y0, x1, y1 (exclusive) that they fill."""
    height, width = index.shape
    boxes = np.zeros((count, 5), np.int64)
    boxes[:, 1:3] = 1 << 30
    for y in range(height):
        for x in range(width):
            f = index[y, x]
            if f < 0 or parts[f] < 0:
                continue
            row = boxes[parts[f]]
            row[0] += 1
            row[1] = min(row[1], x)
            row[2] = min(row[2], y)
            row[3] = max(row[3], x + 1)
            row[4] = max(row[4], y + 1)
    return boxes
