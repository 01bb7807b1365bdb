// Convolutions of a network, with what comes after them: images in planes, FP32, every product added with one rounding.
//
// A block computes a tile of output channels and pixels. Its threads form slices, which share out the sum over taps and
// input channels: where a layer has few outputs and long sums, there is work for all of them. The slices' sums are added in
// order, so that results do not depend on chance.
#pragma once
#include "portable.h"

enum Activation : u32 { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_SILU };

// Mirrored by `Params` in src/kernels/convolution.rs.
struct ConvolutionParams {
  const float *input;   // [image][input channel][y][x]
  const float *weights; // [tap][input channel][output channel]
  const float *bias;    // [output channel]
  float *output;        // [image][output channel][y][x]
  u32 input_channels;
  u32 input_height;
  u32 input_width;
  u32 output_channels; // a multiple of 4
  u32 output_height;
  u32 output_width;
  u32 kernel_height;
  u32 kernel_width;
  u32 stride_y;
  u32 stride_x;
  u32 top;  // rows of zeros above the image
  u32 left; // columns of zeros left of it
  Activation activation;
};

FN float activate(Activation activation, float x) {
  if (activation == ACTIVATION_RELU) return larger(x, 0.0f);
  if (activation == ACTIVATION_SILU) return x / (1.0f + power_of_two(x * -1.44269504f));
  return x;
}

// Tiles of `M` output channels and `N` pixels. A round takes `DEPTH` input channels of one tap, of which each slice has as
// many. A thread has 8 channels, 4 in either half of the tile, and 8 pixels likewise.
template <u32 M, u32 N, u32 SLICES, u32 DEPTH> struct Tile {
  static const u32 COLUMNS = N / 8, CELLS = M / 8 * COLUMNS, THREADS = CELLS * SLICES, STEPS = DEPTH / SLICES;
  static const u32 ROWS = THREADS / N, VALUES = (DEPTH + ROWS - 1) / ROWS;
  static const u32 FOURS = (DEPTH * M / 4 + THREADS - 1) / THREADS;
  static const u32 SHARED = 2 * DEPTH * (M + N);
  // Of the 8 rows of each thread's sums, how many are brought together at a time.
  static const u32 TOGETHER = SHARED >= THREADS * 64 ? 8 : SHARED >= THREADS * 32 ? 4 : SHARED >= THREADS * 16 ? 2 : 1;
  static_assert(DEPTH % SLICES == 0 && THREADS % N == 0 && SHARED >= THREADS * 8, "no tile");

  struct Thread {
    u32 slice, row, column; // of its sums
    u32 channel, image;     // first of the tile
    u32 pixel;              // that it fetches values of
    u32 y, x;               // of that pixel
    u32 tap, depth;         // of the next round
    bool inside;            // of the image, at this tap
    const float *value;     // at this tap, of input channel 0
    float values[VALUES];
    Four weights[FOURS];
    float sums[8][8];
  };

  // Looks up the pixel that the tap takes its values of.
  FN void aim(const ConvolutionParams &p, Thread &t) {
    u32 y = t.y * p.stride_y + t.tap / p.kernel_width - p.top, x = t.x * p.stride_x + t.tap % p.kernel_width - p.left;
    t.inside = t.pixel < p.output_height * p.output_width && y < p.input_height && x < p.input_width;
    t.value = p.input + (u64)t.image * p.input_channels * p.input_height * p.input_width + (t.inside ? y * p.input_width + x : 0);
  }

  FN void start(const ConvolutionParams &p, Thread &t, u32 thread, u32 block_x, u32 block_y, u32 image) {
    u32 cell = thread % CELLS;
    t.slice = thread / CELLS;
    t.row = cell / COLUMNS * 4;
    t.column = cell % COLUMNS * 4;
    t.channel = block_y * M;
    t.image = image;
    t.pixel = block_x * N + thread % N;
    t.y = t.pixel / p.output_width;
    t.x = t.pixel % p.output_width;
    t.tap = t.depth = 0;
    aim(p, t);
#pragma unroll
    for (u32 i = 0; i < 64; i++) t.sums[i / 8][i % 8] = 0;
  }

  FN u32 rounds(const ConvolutionParams &p) {
    return p.kernel_height * p.kernel_width * ((p.input_channels + DEPTH - 1) / DEPTH);
  }

  // Reads the thread's part of a round and goes on to the next.
  FN void fetch(const ConvolutionParams &p, Thread &t, u32 thread) {
    u32 plane = p.input_height * p.input_width, first = t.depth + thread / N;
    const float *value = t.value + first * plane;
#pragma unroll
    for (u32 i = 0; i < VALUES; i++) {
      t.values[i] = t.inside && first + i * ROWS < p.input_channels ? *value : 0.0f;
      value += ROWS * plane;
    }
#pragma unroll
    for (u32 i = 0; i < FOURS; i++) {
      u32 at = (thread + i * THREADS) * 4, channel = t.depth + at / M, output = t.channel + at % M;
      t.weights[i] = Four{};
      if (channel < p.input_channels && output < p.output_channels)
        t.weights[i] = *(const Four *)(p.weights + (t.tap * p.input_channels + channel) * p.output_channels + output);
    }
    t.depth += DEPTH;
    if (t.depth < p.input_channels) return;
    t.depth = 0;
    t.tap++;
    aim(p, t);
  }

  // Lays down what was fetched: values [DEPTH][N], then weights [DEPTH][M].
  FN void store(const Thread &t, u32 thread, float *half) {
#pragma unroll
    for (u32 i = 0; i < VALUES; i++)
      if (DEPTH % ROWS == 0 || thread / N + i * ROWS < DEPTH) half[thread + i * THREADS] = t.values[i];
#pragma unroll
    for (u32 i = 0; i < FOURS; i++)
      if (DEPTH * M / 4 % THREADS == 0 || (thread + i * THREADS) * 4 < DEPTH * M)
        *(Four *)(half + DEPTH * N + (thread + i * THREADS) * 4) = t.weights[i];
  }

  FN void multiply(Thread &t, const float *half) {
#pragma unroll
    for (u32 step = 0; step < STEPS; step++) {
      const float *values = half + (t.slice * STEPS + step) * N + t.column;
      const float *weights = half + DEPTH * N + (t.slice * STEPS + step) * M + t.row;
      Four v[2] = {*(const Four *)values, *(const Four *)(values + N / 2)};
      Four w[2] = {*(const Four *)weights, *(const Four *)(weights + M / 2)};
#pragma unroll
      for (u32 i = 0; i < 8; i++)
#pragma unroll
        for (u32 j = 0; j < 8; j++)
          t.sums[i][j] = multiply_add(w[i / 4][i % 4], v[j / 4][j % 4], t.sums[i][j]);
    }
  }

  // Lays down rows `first` to `first + TOGETHER` of the thread's sums: [slice][row][N].
  FN void spread(const Thread &t, u32 first, float *shared) {
#pragma unroll
    for (u32 i = 0; i < TOGETHER; i++) {
      u32 row = t.row / 4 * TOGETHER + i;
      float *to = shared + (t.slice * (M / 8 * TOGETHER) + row) * N + t.column;
#pragma unroll
      for (u32 half = 0; half < 2; half++) {
        Four four = {};
#pragma unroll
        for (u32 j = 0; j < 4; j++) four[j] = t.sums[first + i][half * 4 + j];
        *(Four *)(to + half * (N / 2)) = four;
      }
    }
  }

  // Adds the slices' sums of these rows and writes the outputs.
  FN void gather(const ConvolutionParams &p, const Thread &t, u32 thread, u32 first, const float *shared) {
    const u32 all = M / 8 * TOGETHER * N;
    u32 pixels = p.output_height * p.output_width;
#pragma unroll 1
    for (u32 at = thread; at < all; at += THREADS) {
      float sum = 0;
#pragma unroll 16
      for (u32 slice = 0; slice < SLICES; slice++) sum += shared[slice * all + at];
      u32 row = at / N, i = first + row % TOGETHER;
      u32 channel = t.channel + i / 4 * (M / 2) + row / TOGETHER * 4 + i % 4;
      if (t.pixel >= pixels || channel >= p.output_channels) continue;
      float result = activate(p.activation, sum + p.bias[channel]);
      p.output[((u64)t.image * p.output_channels + channel) * pixels + t.pixel] = result;
    }
  }
};

// Mirrored by `TILES` in src/kernels/convolution.rs.
#define EACH_TILE(DO) DO(16, 128, 8, 16) DO(32, 128, 4, 16) DO(32, 32, 16, 64) DO(16, 32, 32, 64) DO(64, 64, 8, 32)
