#include "draw.h"

const u32 THREADS = 256;
const u32 WARPS = THREADS / 32;

// Lists those of the `THREADS` shapes from `first` on that touch the tile, in order; returns how many.
__device__ inline u32 list_touching(const DrawParams &p, u32 first, u32 x, u32 y, u32 *listed, u32 *counts) {
  u32 thread = THREAD_Y * 16 + THREAD_X, warp = thread / 32, op = first + thread;
  bool hit = op < p.op_count && touches(p, op, x, y);
  u32 votes = votes_of_warp(hit);
  if (thread % 32 == 0) counts[warp] = count_bits(votes);
  __syncthreads();
  u32 before = 0, total = 0;
  for (u32 i = 0; i < WARPS; i++) {
    before += i < warp ? counts[i] : 0;
    total += counts[i];
  }
  if (hit) listed[before + count_bits(votes & ((1u << thread % 32) - 1))] = op;
  __syncthreads();
  return total;
}

// One block of 16x16 threads per tile, one thread per 2x2 pixels.
extern "C" __global__ void LAUNCH_BOUNDS(THREADS, 4) draw(DrawParams p) {
  __shared__ u32 listed[THREADS], counts[WARPS];
  u32 x = (p.tile_x + BLOCK_X) * TILE, y = (p.tile_y + BLOCK_Y) * TILE;
  Block block = {x + 2 * THREAD_X, y + 2 * THREAD_Y, {}, false};
  bool inside = block.x < p.width && block.y < p.height;
  bool loaded = false;
  for (u32 first = 0; first < p.op_count; first += THREADS) {
    u32 total = list_touching(p, first, x, y, listed, counts);
    if (inside && total && !loaded) load_block(p, block);
    loaded |= total != 0;
    for (u32 i = 0; inside && i < total; i++) paint(p, p.ops[listed[i]], block);
    __syncthreads();
  }
  if (!inside || (p.in_place && !block.painted)) return;
  if (!loaded) load_block(p, block);
  store_block(p, block);
}
