#include "draw.h"

const u32 THREADS = 256;
const u32 WARPS = THREADS / 32;
// Shapes that are brought near at a time.
const u32 NEAR = 64;

struct Shapes {
  Op ops[NEAR];
  Bounds bounds[NEAR];
};

// Lists those of the `THREADS` shapes from `first` on that touch the tile, in order; returns how many.
DEVICE_FN u32 list_touching(const DrawParams &p, u32 first, Region tile, u32 *listed, u32 *counts) {
  u32 warp = THREAD_X / 32, lane = THREAD_X % 32, op = first + THREAD_X;
  bool hit = op < p.op_count && touches(p, p.ops[op], p.bounds[op], tile);
  u32 votes = votes_of_warp(hit);
  if (lane == 0) counts[warp] = count_bits(votes);
  __syncthreads();
  u32 before = 0, total = 0;
  for (u32 i = 0; i < WARPS; i++) {
    before += i < warp ? counts[i] : 0;
    total += counts[i];
  }
  if (hit) listed[before + count_bits(votes & ((1u << lane) - 1))] = op;
  __syncthreads();
  return total;
}

// Paints those of the `count` shapes that touch the warp's patch, in order.
DEVICE_FN void paint_near(const DrawParams &p, const Shapes &shapes, u32 count, Region patch, Block &block) {
  for (u32 i = 0; i < count; i += 32) {
    u32 index = i + THREAD_X % 32;
    u32 votes = votes_of_warp(index < count && touches(p, shapes.ops[index], shapes.bounds[index], patch));
    for (; votes; votes &= votes - 1) paint(p, shapes.ops[i + lowest_bit(votes)], block);
  }
}

// Paints the listed shapes, which all warps of the tile look at: they are fetched from memory once.
DEVICE_FN void paint_listed(const DrawParams &p, const u32 *listed, u32 total, Region patch, Shapes &shapes, Block &block) {
  for (u32 first = 0; first < total; first += NEAR) {
    u32 count = total - first < NEAR ? total - first : NEAR;
    if (THREAD_X < count) {
      u32 op = listed[first + THREAD_X];
      shapes.ops[THREAD_X] = p.ops[op];
      shapes.bounds[THREAD_X] = p.bounds[op];
    }
    __syncthreads();
    paint_near(p, shapes, count, patch, block);
    __syncthreads();
  }
}

// One block of 256 threads per tile, one warp per patch of 16x8 pixels, one thread per 2x2 pixels.
extern "C" __global__ void LAUNCH_BOUNDS(THREADS, 4) draw(DrawParams p) {
  __shared__ u32 listed[THREADS], counts[WARPS];
  __shared__ Shapes shapes;
  u32 x, y;
  tile_origin(p, BLOCK_X, x, y);
  u32 warp = THREAD_X / 32, lane = THREAD_X % 32;
  u32 patch_x = x + warp % 2 * 16, patch_y = y + warp / 2 * 8;
  Block block = {patch_x + lane % 8 * 2, patch_y + lane / 8 * 2, {}, false};
  bool inside = block.x < p.width && block.y < p.height, loaded = false;
  for (u32 first = 0; first < p.op_count; first += THREADS) {
    u32 total = list_touching(p, first, tile_at(x, y), listed, counts);
    if (inside && total && !loaded) load_block(p, block);
    loaded |= total != 0;
    paint_listed(p, listed, total, patch_at(patch_x, patch_y), shapes, block);
    __syncthreads();
  }
  if (!inside || (p.in_place && !block.painted)) return;
  if (!loaded) load_block(p, block);
  store_block(p, block);
}
