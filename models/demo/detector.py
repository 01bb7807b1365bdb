"""A small anchor-free detector: CSP backbone, path-aggregation neck, decoupled heads."""

import torch
from torch import nn

from . import CLASSES

STRIDES = (8, 16, 32)
BINS = 16


class Conv(nn.Sequential):
    """Convolution, batch norm and ReLU."""

    def __init__(self, cin, cout, kernel=1, stride=1, groups=1):
        super().__init__(
            nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(cout),
            nn.ReLU(inplace=True),
        )


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, with a shortcut if asked for."""

    def __init__(self, channels, shortcut):
        super().__init__()
        self.body = nn.Sequential(Conv(channels, channels, 3), Conv(channels, channels, 3))
        self.shortcut = shortcut

    def forward(self, x):
        return x + self.body(x) if self.shortcut else self.body(x)


class Csp(nn.Module):
    """Cross-stage partial block: half of the channels run through bottlenecks, all are kept."""

    def __init__(self, cin, cout, depth=1, shortcut=True):
        super().__init__()
        half = cout // 2
        self.enter = Conv(cin, 2 * half)
        self.blocks = nn.ModuleList(Bottleneck(half, shortcut) for _ in range(depth))
        self.leave = Conv((2 + depth) * half, cout)

    def forward(self, x):
        parts = list(self.enter(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.leave(torch.cat(parts, 1))


class Pooling(nn.Module):
    """Pyramid of three max poolings, for context."""

    def __init__(self, channels):
        super().__init__()
        self.enter = Conv(channels, channels // 2)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.leave = Conv(channels * 2, channels)

    def forward(self, x):
        levels = [self.enter(x)]
        for _ in range(3):
            levels.append(self.pool(levels[-1]))
        return self.leave(torch.cat(levels, 1))


def branch(cin, width, cout):
    """A head branch: two separable convolutions and the output layer."""
    return nn.Sequential(
        Conv(cin, cin, 3, groups=cin), Conv(cin, width),
        Conv(width, width, 3, groups=width), Conv(width, width),
        nn.Conv2d(width, cout, 1),
    )


class Detector(nn.Module):
    """Gives class logits (B, N, C) and box-side distributions (B, N, 4, BINS) for N cells."""

    def __init__(self, classes=len(CLASSES)):
        super().__init__()
        c1, c2, c3, c4, c5 = 16, 32, 64, 96, 128
        self.stem = nn.Sequential(Conv(3, c1, 3, 2), Conv(c1, c2, 3, 2), Csp(c2, c2))
        self.stage3 = nn.Sequential(Conv(c2, c3, 3, 2), Csp(c3, c3, 2))
        self.stage4 = nn.Sequential(Conv(c3, c4, 3, 2), Csp(c4, c4, 2))
        self.stage5 = nn.Sequential(Conv(c4, c5, 3, 2), Csp(c5, c5), Pooling(c5))
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.top4 = Csp(c5 + c4, c4, shortcut=False)
        self.top3 = Csp(c4 + c3, c3, shortcut=False)
        self.down4, self.out4 = Conv(c3, c3, 3, 2), Csp(c3 + c4, c4, shortcut=False)
        self.down5, self.out5 = Conv(c4, c4, 3, 2), Csp(c4 + c5, c5, shortcut=False)
        self.classify = nn.ModuleList(branch(c, 64, classes) for c in (c3, c4, c5))
        self.locate = nn.ModuleList(branch(c, 64, 4 * BINS) for c in (c3, c4, c5))
        for head in self.classify:
            nn.init.constant_(head[-1].bias, -5.0)

    def pyramid(self, x):
        """Features at strides 8, 16 and 32."""
        p3 = self.stage3(self.stem(x))
        p4 = self.stage4(p3)
        p5 = self.stage5(p4)
        t4 = self.top4(torch.cat([self.up(p5), p4], 1))
        o3 = self.top3(torch.cat([self.up(t4), p3], 1))
        o4 = self.out4(torch.cat([self.down4(o3), t4], 1))
        o5 = self.out5(torch.cat([self.down5(o4), p5], 1))
        return o3, o4, o5

    def forward(self, x):
        levels = self.pyramid(x)
        flat = lambda heads: torch.cat([h(p).flatten(2) for h, p in zip(heads, levels)], 2)
        logits = flat(self.classify).transpose(1, 2)
        sides = flat(self.locate).unflatten(1, (4, BINS)).permute(0, 3, 1, 2)
        return logits, sides


def cells(height, width, device=None):
    """Cell centres in pixels (N, 2) and strides (N, 1) of all levels."""
    centres, strides = [], []
    for s in STRIDES:
        y, x = torch.meshgrid(torch.arange(height // s), torch.arange(width // s), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * s)
        strides.append(torch.full((len(centres[-1]), 1), float(s)))
    return torch.cat(centres).float().to(device), torch.cat(strides).to(device)


def decode(sides, centres, strides):
    """Boxes x0, y0, x1, y1 in pixels from the distributions of the distances to the four sides."""
    bins = torch.arange(BINS, dtype=sides.dtype, device=sides.device)
    distance = (sides.softmax(-1) * bins).sum(-1) * strides
    return torch.cat([centres - distance[..., :2], centres + distance[..., 2:]], -1)
