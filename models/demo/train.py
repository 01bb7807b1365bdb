"""Renders the data sets, trains the detector until a given time and measures it on the held-out split.

    python -m demo.train --images 8000 --minutes 9 --out build
"""

import argparse
import copy
import json
import math
import pathlib
import time

import torch

from . import HEIGHT, WIDTH
from .augment import augment
from .data import render_split
from .detector import Detector, cells, decode
from .loss import detection_loss
from .metrics import detections, evaluate

CLEAN_SHARE = 0.15  # the last part of the run trains without mosaics


class Average:
    """Exponential moving average of a model's weights and statistics."""

    def __init__(self, model, decay=0.9995):
        self.model, self.decay, self.steps = copy.deepcopy(model).eval(), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.steps += 1
        keep = self.decay * (1 - math.exp(-self.steps / 400))
        for mean, now in zip(self.model.state_dict().values(), model.state_dict().values()):
            if mean.dtype.is_floating_point:
                mean.lerp_(now, 1 - keep)


def optimizer(model, rate):
    """AdamW that decays convolution kernels only."""
    kernels = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    return torch.optim.AdamW([{"params": kernels, "weight_decay": 0.03}, {"params": others, "weight_decay": 0.0}], rate)


def rate_factor(progress, step):
    """Warm-up over 300 steps, then a cosine down to 1 %."""
    return min(1.0, (step + 1) / 300) * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


@torch.no_grad()
def raw_outputs(model, images, batch=64):
    """`output0` arrays (4 + classes, N) of uint8 pictures."""
    device = next(model.parameters()).device
    centres, strides = cells(HEIGHT, WIDTH, device)
    for start in range(0, len(images), batch):
        x = torch.as_tensor(images[start:start + batch]).to(device).float() / 255
        logits, sides = model(x)
        boxes = decode(sides, centres, strides)
        middle, size = (boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]
        yield from torch.cat([middle, size, logits.sigmoid()], -1).transpose(1, 2).cpu().numpy()


def measure(model, images, rows):
    """Average precision of a model on a split."""
    found = [detections(output) for output in raw_outputs(model, images)]
    return evaluate(found, [r[r[:, 0] >= 0] for r in rows])


def epoch(model, average, optim, data, batch, seconds, started, state):
    """One pass over the data, or less when the time is up; gives the mean loss."""
    images, rows, centres, strides = data
    losses = []
    order = torch.randperm(len(images), device=images.device)
    for pick in order.split(batch)[:max(1, len(order) // batch)]:
        progress = (time.time() - started) / seconds
        if progress >= 1:
            break
        for group in optim.param_groups:
            group["lr"] = state["rate"] * rate_factor(progress, state["step"])
        share = 0.0 if progress > 1 - CLEAN_SHARE else 0.5
        x, y = augment(images[pick], rows[pick], mosaic_share=share)
        with torch.autocast(x.device.type, torch.bfloat16):
            logits, sides = model(x.contiguous(memory_format=torch.channels_last))
        loss, _ = detection_loss(logits, sides, y, centres, strides)
        optim.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optim.step()
        average.update(model)
        state["step"] += 1
        losses.append(loss.detach())
    return torch.stack(losses).mean().item() if losses else float("nan")


def train(data, minutes, batch, rate, on_epoch):
    """Trains until the time is up; calls `on_epoch` with number, loss and the averaged model."""
    device = data[0].device
    torch.manual_seed(0)
    model = Detector().to(device, memory_format=torch.channels_last)
    average, optim = Average(model), optimizer(model, rate)
    started, number, state = time.time(), 0, {"step": 0, "rate": rate}
    data = (*data, *cells(HEIGHT, WIDTH, device))
    while time.time() - started < 60 * minutes:
        loss = epoch(model, average, optim, data, batch, 60 * minutes, started, state)
        number += 1
        on_epoch(number, loss, average.model)
    return average.model, number


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=8000, help="training pictures")
    parser.add_argument("--held-out", type=int, default=500, help="pictures in each of the other two splits")
    parser.add_argument("--minutes", type=float, default=9.0, help="time for rendering and training together")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("build"))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    started = time.time()

    def say(text):
        print(f"{time.time() - started:6.0f} s  {text}", flush=True)

    splits = {}
    for split, count in (("val", options.held_out), ("test", options.held_out), ("train", options.images)):
        splits[split] = render_split(split, count)
        say(f"rendered {count} pictures for {split}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_float32_matmul_precision("high")
    data = [torch.from_numpy(a).to(device) for a in splits["train"]]

    def on_epoch(number, loss, model):
        text = f"epoch {number}: loss {loss:.3f}"
        if number % 10 == 0:
            torch.save(model.state_dict(), options.out / "weights.pt")
            text += f", val mAP50 {measure(model, *(a[:200] for a in splits['val']))['mAP50']:.3f}"
        say(text)

    model, epochs = train(data, options.minutes - (time.time() - started) / 60, options.batch, options.rate, on_epoch)
    torch.save(model.state_dict(), options.out / "weights.pt")
    say("trained")
    report = {split: measure(model, *splits[split]) for split in ("val", "test")}
    report["run"] = {"device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu", "epochs": epochs,
                     "images": options.images, "minutes": options.minutes,
                     "objects": int((splits["train"][1][..., 0] >= 0).sum()), "torch": torch.__version__}
    (options.out / "metrics.json").write_text(json.dumps(report, indent=2) + "\n")
    say(json.dumps(report["test"], indent=1))


if __name__ == "__main__":
    main()
