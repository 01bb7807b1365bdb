"""Task-aligned assignment and the training loss."""

import torch
import torch.nn.functional as F

from .detector import BINS, decode

TOPK, ALPHA, BETA = 10, 0.5, 6.0
MIN_HALF = 4.5  # a box reaches at least this far from its centre, so that every box owns a cell
WEIGHTS = {"class": 0.5, "box": 7.5, "dfl": 1.5}


def pair_iou(a, b, complete=False):
    """IoU of boxes that broadcast against each other; `complete` gives CIoU."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    inter = (high - low).clamp(min=0).prod(-1)
    size_a, size_b = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    iou = inter / (size_a.prod(-1) + size_b.prod(-1) - inter + 1e-7)
    if not complete:
        return iou
    hull = torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])
    offset = (a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2
    angle = torch.atan(size_b[..., 0] / (size_b[..., 1] + 1e-7)) - torch.atan(size_a[..., 0] / (size_a[..., 1] + 1e-7))
    v = 4 / torch.pi ** 2 * angle ** 2
    with torch.no_grad():
        alpha = v / (1 - iou + v + 1e-7)
    return iou - offset.pow(2).sum(-1) / (hull.pow(2).sum(-1) + 1e-7) - alpha * v


@torch.no_grad()
def assign(scores, boxes, rows, centres):
    """Which object each cell learns: its index (B, N), whether it has one, and its soft score."""
    valid = rows[..., 0] >= 0
    kind, truth = rows[..., 0].clamp(min=0).long(), rows[..., 1:]
    middle, half = (truth[..., :2] + truth[..., 2:]) / 2, (truth[..., 2:] - truth[..., :2]).clamp(min=2 * MIN_HALF) / 2
    inside = ((centres - middle[:, :, None]).abs() < half[:, :, None]).all(-1) & valid[..., None]
    iou = pair_iou(truth[:, :, None], boxes[:, None]) * inside
    score = scores.transpose(1, 2).gather(1, kind[..., None].expand(-1, -1, scores.shape[1]))
    quality = score.pow(ALPHA) * (iou + 1e-3).pow(BETA) * inside
    best, where = quality.topk(TOPK, -1)
    chosen = torch.zeros_like(quality).scatter_(-1, where, (best > 0).to(quality.dtype)) * inside
    owner = (iou * chosen + chosen * 1e-6).argmax(1)
    taken = chosen.amax(1) > 0
    keep = chosen * F.one_hot(owner, rows.shape[1]).transpose(1, 2)
    quality = quality * keep
    soft = quality * ((iou * keep).amax(-1, True) / (quality.amax(-1, True) + 1e-9))
    return owner, taken, soft.amax(1)


def detection_loss(logits, sides, rows, centres, strides):
    """Sum of the classification, box and distribution losses, and the three apart."""
    logits, sides = logits.float(), sides.float()
    boxes = decode(sides, centres, strides)
    owner, taken, soft = assign(logits.detach().sigmoid(), boxes.detach(), rows, centres)
    own = rows.gather(1, owner[..., None].expand(-1, -1, 5))
    kind = F.one_hot(own[..., 0].clamp(min=0).long(), logits.shape[-1])
    target = kind * (soft * taken)[..., None]
    total = target.sum().clamp(min=1)
    parts = {"class": F.binary_cross_entropy_with_logits(logits, target, reduction="sum") / total}
    weight, truth = soft[taken], own[taken][:, 1:]
    parts["box"] = ((1 - pair_iou(boxes[taken], truth, complete=True)) * weight).sum() / total
    centre, stride = (t.expand(len(rows), -1, -1)[taken] for t in (centres, strides))
    distance = torch.cat([centre - truth[:, :2], truth[:, 2:] - centre], 1) / stride
    parts["dfl"] = (distribution_loss(sides[taken], distance) * weight).sum() / total
    return sum(WEIGHTS[k] * v for k, v in parts.items()), parts


def distribution_loss(sides, distance):
    """Cross entropy with the two bins beside the true distance, averaged over the four sides."""
    distance = distance.clamp(0, BINS - 1.01)
    low = distance.long()
    share = distance - low
    log = sides.log_softmax(-1)
    near = log.gather(-1, low[..., None])[..., 0] * (1 - share)
    return -(near + log.gather(-1, low[..., None] + 1)[..., 0] * share).mean(-1)
