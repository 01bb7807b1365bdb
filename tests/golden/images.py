"""Test images: soft coloured blobs on a grey gradient, so that no two cells look quite the same."""

import numpy as np

# Width, height, blobs.
SIZES = {"wide": (1280, 720, 24), "odd": (333, 517, 24), "small": (64, 48, 8)}


def blobs(width, height, count, seed):
    """An RGB image, the same for the same arguments everywhere."""
    random = np.random.Generator(np.random.PCG64(seed))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    grey = 70 + 60 * x / width + 40 * y / height
    image = np.repeat(grey[..., None], 3, axis=2)
    for index in range(count):
        centre = random.uniform(0.05, 0.95, 2) * (width, height)
        radius = random.uniform(0.05, 0.14, 2) * min(width, height)
        colour = np.full(3, random.uniform(10, 70))
        colour[index % 3] = random.uniform(150, 250)
        cover = np.exp(-(((x - centre[0]) / radius[0]) ** 4 + ((y - centre[1]) / radius[1]) ** 4))[..., None]
        image = image * (1 - cover) + colour * cover
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def all_images():
    return {name: blobs(*size, seed) for seed, (name, size) in enumerate(SIZES.items())}
