// The kernels' arithmetic run by the CPU: what src/kernels/tests.rs compares with libs/vision.
#include "candidates.h"
#include "convolution.h"
#include "draw.h"
#include "preprocess.h"

extern "C" void host_preprocess(const PreprocessParams *p) {
  for (u32 y = 0; y < p->input_height; y++)
    for (u32 x = 0; x < p->input_width; x++) preprocess_pixel(*p, x, y);
}

static void draw_block(const DrawParams &p, u32 x, u32 y) {
  Block block = {x, y, {}, false};
  load_block(p, block);
  Region tile = tile_at(x / TILE * TILE, y / TILE * TILE), patch = patch_at(x / 16 * 16, y / 8 * 8);
  for (u32 i = 0; i < p.op_count; i++) {
    const Op &op = p.ops[i];
    const Bounds &bounds = p.bounds[i];
    if (touches(p, op, bounds, tile) && touches(p, op, bounds, patch)) paint(p, op, block);
  }
  if (!p.in_place || block.painted) store_block(p, block);
}

extern "C" void host_draw(const DrawParams *p) {
  for (u32 tile = 0; tile < p->tile_count; tile++) {
    u32 left, top;
    tile_origin(*p, tile, left, top);
    for (u32 y = top; y < top + TILE && y < p->height; y += 2)
      for (u32 x = left; x < left + TILE && x < p->width; x += 2) draw_block(*p, x, y);
  }
}

extern "C" void host_candidates(const CandidateParams *p) {
  Candidate found;
  u32 count = 0;
  for (u32 image = 0; image < p->images; image++)
    for (u32 position = 0; position < p->positions; position++)
      if (find_candidate(*p, image, position, found)) p->out[count++] = found;
  p->counter->found = count;
}

template <class T>
static void convolve_tile(const ConvolutionParams &p, u32 x, u32 y, u32 image, typename T::Thread *threads, float *shared) {
  for (u32 i = 0; i < T::THREADS; i++) T::start(p, threads[i], i, x, y, image);
  for (u32 round = 0; round < T::rounds(p); round++) {
    for (u32 i = 0; i < T::THREADS; i++) T::fetch(p, threads[i], i);
    for (u32 i = 0; i < T::THREADS; i++) T::store(threads[i], i, shared);
    for (u32 i = 0; i < T::THREADS; i++) T::multiply(threads[i], shared);
  }
  for (u32 first = 0; first < 8; first += T::TOGETHER) {
    for (u32 i = 0; i < T::THREADS; i++) T::spread(threads[i], first, shared);
    for (u32 i = 0; i < T::THREADS; i++) T::gather(p, threads[i], i, first, shared);
  }
}

struct HostConvolution {
  ConvolutionParams params;
  u32 tile, tiles_x, tiles_y, images;
};

template <class T> static void convolve(const HostConvolution &c) {
  static typename T::Thread threads[T::THREADS];
  static Four shared[T::SHARED / 4];
  for (u32 image = 0; image < c.images; image++)
    for (u32 y = 0; y < c.tiles_y; y++)
      for (u32 x = 0; x < c.tiles_x; x++) convolve_tile<T>(c.params, x, y, image, threads, (float *)shared);
}

#define LISTED(M, N, SLICES, DEPTH) convolve<Tile<M, N, SLICES, DEPTH>>,

extern "C" void host_convolution(const HostConvolution *c) {
  static void (*const tiles[])(const HostConvolution &) = {EACH_TILE(LISTED)};
  tiles[c->tile](*c);
}
