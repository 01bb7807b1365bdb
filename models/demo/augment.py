"""Batch augmentation on the training device: mosaic, scale and flip, colour, blur, noise, compression."""

import math

import torch
import torch.nn.functional as F

from .data import PAD

MIN_KEPT, MIN_SIDE = 0.4, 5.0


def mosaic(images, rows):
    """Each picture with three others in a frame of twice the size."""
    order = [torch.arange(len(images), device=images.device)]
    order += [torch.randperm(len(images), device=images.device) for _ in range(3)]
    h, w = images.shape[2:]
    top = torch.cat([images[order[0]], images[order[1]]], 3)
    bottom = torch.cat([images[order[2]], images[order[3]]], 3)
    shifted = []
    for k, o in enumerate(order):
        moved = rows[o].clone()
        moved[..., 1::2] += (k % 2) * w
        moved[..., 2::2] += (k // 2) * h
        shifted.append(moved)
    return torch.cat([top, bottom], 2), torch.cat(shifted, 1)


def warp(images, rows, size, low, high):
    """Random scale (around `size`), shift and mirror; boxes follow, those mostly lost are dropped."""
    b, device = len(images), images.device
    h, w = images.shape[2:]
    scale = low * (high / low) ** torch.rand(b, device=device)
    mirror = torch.where(torch.rand(b, device=device) < .5, -1.0, 1.0)
    slack = torch.stack([w - size[1] / scale, h - size[0] / scale], 1)
    centre = torch.tensor([w / 2, h / 2], device=device) + (torch.rand(b, 2, device=device) - .5) * slack
    theta = torch.zeros(b, 2, 3, device=device)
    theta[:, 0, 0] = mirror * size[1] / scale / w
    theta[:, 1, 1] = size[0] / scale / h
    theta[:, 0, 2] = 2 * centre[:, 0] / w - 1
    theta[:, 1, 2] = 2 * centre[:, 1] / h - 1
    grid = F.affine_grid(theta, (b, 3, *size), align_corners=False)
    shade = PAD / 255
    out = F.grid_sample(images - shade, grid, align_corners=False) + shade
    return out, moved_boxes(rows, centre, scale, mirror, size)


def moved_boxes(rows, centre, scale, mirror, size):
    """Label rows after a warp."""
    gain = torch.stack([scale * mirror, scale], 1)[:, None]
    middle = torch.tensor([size[1] / 2, size[0] / 2], device=rows.device)
    a = (rows[..., 1:3] - centre[:, None]) * gain + middle
    b = (rows[..., 3:5] - centre[:, None]) * gain + middle
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    full = (high - low).prod(-1)
    limit = torch.tensor([size[1], size[0]], dtype=low.dtype, device=rows.device)
    low, high = low.clamp(min=0).minimum(limit), high.clamp(min=0).minimum(limit)
    side = high - low
    keep = (rows[..., 0] >= 0) & (side.prod(-1) > MIN_KEPT * full) & (side.amin(-1) >= MIN_SIDE)
    kind = torch.where(keep, rows[..., 0], -1.0)
    return torch.cat([kind[..., None], low, high], -1)


def compact(rows, most):
    """Rows with the objects first, cut to `most`."""
    order = (rows[..., 0] < 0).to(torch.int8).argsort(dim=1, stable=True)[:, :most]
    return rows.gather(1, order[..., None].expand(-1, -1, 5))


def chance(b, p, device):
    """A mask (b, 1, 1, 1) that is true with probability `p`."""
    return torch.rand(b, 1, 1, 1, device=device) < p


def colour(x):
    """Brightness, contrast, gamma, saturation and white balance."""
    b, device = len(x), x.device
    between = lambda low, high, c=1: low + (high - low) * torch.rand(b, c, 1, 1, device=device)
    x = x * between(.8, 1.2, 3).lerp(torch.ones(1, device=device), .5)
    grey = x.mean(1, True)
    x = grey + (x - grey) * between(.5, 1.4)
    x = (x - .45) * between(.75, 1.25) + .45 + between(-.08, .08)
    return x.clamp(1e-4, 1) ** between(.75, 1.35)


def blur(x):
    """A random motion-blur line or soft disc on a third of the batch."""
    size = 5
    t = torch.arange(size, device=x.device) - size // 2
    yy, xx = torch.meshgrid(t, t, indexing="ij")
    angle, sigma = torch.rand(2, device=x.device) * math.pi
    across = (xx * torch.sin(angle) - yy * torch.cos(angle)) ** 2 / .3
    along = (xx ** 2 + yy ** 2) / (2 * (.3 + .4 * sigma) ** 2)
    kernel = torch.exp(-along - (across if torch.rand(()) < .5 else 0))
    kernel = (kernel / kernel.sum()).to(x.dtype).expand(3, 1, size, size)
    return torch.where(chance(len(x), .3, x.device), F.conv2d(x, kernel, padding=size // 2, groups=3), x)


def noise(x):
    """Sensor noise of random strength on half of the batch."""
    strength = torch.rand(len(x), 1, 1, 1, device=x.device) ** 2 * .06 * chance(len(x), .5, x.device)
    return x + torch.randn_like(x) * strength


def dct_matrix(n, device):
    """The orthonormal cosine transform."""
    k = torch.arange(n, device=device, dtype=torch.float32)
    m = torch.cos(math.pi / n * (k + .5) * k[:, None]) * math.sqrt(2 / n)
    m[0] /= math.sqrt(2)
    return m


def quantise(plane, n, step):
    """Round the cosine coefficients of n x n blocks, coarser at high frequencies."""
    b, c, h, w = plane.shape
    d = dct_matrix(n, plane.device)
    blocks = plane.reshape(b, c, h // n, n, w // n, n).transpose(3, 4)
    coefficients = d @ blocks @ d.T
    k = torch.arange(n, device=plane.device)
    table = step[..., None, None] * (1 + 6.0 * (k + k[:, None]) / n)
    blocks = d.T @ ((coefficients / table).round() * table) @ d
    return blocks.transpose(3, 4).reshape(b, c, h, w)


def compress(x):
    """What a block codec with halved chroma does, on half of the batch."""
    b, device = len(x), x.device
    forward = torch.tensor([[.299, .587, .114], [-.169, -.331, .5], [.5, -.419, -.081]], device=device)
    yuv = torch.einsum("ij,bjhw->bihw", forward, x)
    step = (.01 + .09 * torch.rand(b, 1, 1, 1, device=device) ** 2)
    luma = quantise(yuv[:, :1], 8 if torch.rand(()) < .5 else 4, step)
    chroma = quantise(F.avg_pool2d(yuv[:, 1:], 2), 8, 1.5 * step)
    chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    back = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(forward), torch.cat([luma, chroma], 1))
    return torch.where(chance(b, .5, device), back, x)


@torch.no_grad()
def augment(images, rows, most=64, mosaic_share=.5):
    """A training batch from uint8 pictures: images 0 to 1 and label rows."""
    x, size = images.float() / 255, tuple(images.shape[2:])
    n = int(len(x) * mosaic_share)
    if n:
        big, big_rows = mosaic(x[:n], rows[:n])
        first, first_rows = warp(big, big_rows, size, .5, 1.1)
    rest, rest_rows = warp(x[n:], rows[n:], size, .75, 1.5)
    if n:
        rest, rest_rows = torch.cat([first, rest]), torch.cat([compact(first_rows, most), padded(rest_rows, most)])
    return compress(noise(blur(colour(rest))).clamp(0, 1)).clamp(0, 1), compact(rest_rows, most)


def padded(rows, most):
    """Rows filled up to `most` with empty ones."""
    extra = max(0, most - rows.shape[1])
    return F.pad(rows, (0, 0, 0, extra), value=-1.0)[:, :most]
