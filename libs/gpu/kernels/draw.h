// Paints a display list: what libs/vision/src/draw defines, one 2x2 block of pixels at a time. A block is what one
// chroma sample stands for.
#pragma once
#include "portable.h"

enum ShapeKind : u32 { SHAPE_RECT, SHAPE_PATH, SHAPE_SPRITE };

struct Point {
  float x, y;
};

// What a shape covers lies in here. Mirrored by `Bounds` in src/kernels/draw/ops.rs.
struct alignas(16) Bounds {
  float left, top, right, bottom;
};

// A shape in one colour. Mirrored by `Op` in src/kernels/draw/ops.rs.
struct Op {
  ShapeKind kind;
  u32 stroke; // 1: a line along the outline, 0: the inside
  float half_width;
  float limit; // the largest share of a pixel that is covered
  // Of a rounded rectangle.
  Point centre;
  Point half_size;
  float radius;
  // Of a path: its points. Of a sprite: its first byte in the atlas, and its width.
  u32 first;
  u32 count;
  u32 closed;
  // Of a sprite: where it lies in the frame, and its height.
  int x, y;
  u32 height;
  int alpha; // 0 to 256
  // Code values of the frame's components.
  int ink[3];
};

// Mirrored by `Params` in src/kernels/draw/mod.rs.
struct DrawParams {
  Component from[4]; // what is read
  Component to[4];   // what is written: the same when drawing in place
  const Bounds *bounds; // `op_count` of them: apart from the ops, since every tile looks at all of them
  const Op *ops;
  const Point *points;
  const u8 *atlas;
  const u32 *tiles; // column, and row times 65536, of each tile to paint; null for all of the frame, row by row
  u32 tile_count;
  u32 op_count;
  u32 component_count;
  u32 painted; // components that take colour; the rest is copied
  u32 in_place;
  u32 width;
  u32 height;
};

// A rectangle of pixels, and how far its corners are from its centre, rounded up.
struct Region {
  float left, top, width, height, radius;
};

// Edge of a square tile of pixels.
const u32 TILE = 32;

// Where tile number `index` of those to paint starts.
FN void tile_origin(const DrawParams &p, u32 index, u32 &x, u32 &y) {
  u32 columns = (p.width + TILE - 1) / TILE;
  u32 tile = p.tiles ? p.tiles[index] : index / columns << 16 | index % columns;
  x = (tile & 0xffff) * TILE;
  y = (tile >> 16) * TILE;
}

FN Region tile_at(u32 x, u32 y) { return {(float)x, (float)y, 32.0f, 32.0f, 22.7f}; }
// What the blocks of one warp cover.
FN Region patch_at(u32 x, u32 y) { return {(float)x, (float)y, 16.0f, 8.0f, 9.0f}; }

// How far the pixel centres of a block are from its own centre, rounded up.
const float BLOCK_RADIUS = 0.7072f;

FN float rect_distance(const Op &op, Point p) {
  float x = absolute(p.x - op.centre.x) - op.half_size.x + op.radius;
  float y = absolute(p.y - op.centre.y) - op.half_size.y + op.radius;
  float outside_x = larger(x, 0.0f), outside_y = larger(y, 0.0f);
  float outside = outside_x + outside_y; // beside an edge, one of them is 0
  if (outside_x > 0.0f && outside_y > 0.0f) outside = square_root(outside_x * outside_x + outside_y * outside_y);
  return outside + smaller(larger(x, y), 0.0f) - op.radius;
}

FN float squared_distance(Point p, Point from, Point to) {
  float dx = to.x - from.x, dy = to.y - from.y;
  float px = p.x - from.x, py = p.y - from.y;
  float length = dx * dx + dy * dy;
  float along = length > 0.0f ? clamp((px * dx + py * dy) / length, 0.0f, 1.0f) : 0.0f;
  float x = px - along * dx, y = py - along * dy;
  return x * x + y * y;
}

// Whether the ray from `p` to the right meets the line between `from` and `to`.
FN bool crosses(Point p, Point from, Point to) {
  return (from.y > p.y) != (to.y > p.y) && p.x < from.x + (p.y - from.y) / (to.y - from.y) * (to.x - from.x);
}

FN float path_distance(const Op &op, const Point *points, Point p) {
  float nearest = 3.402823466e38f;
  bool inside = false;
  Point from = points[op.closed ? op.first + op.count - 1 : op.first];
  for (u32 i = 0; i < op.count; i++) {
    Point to = points[op.first + i];
    nearest = smaller(nearest, squared_distance(p, from, to));
    inside ^= op.closed && crosses(p, from, to);
    from = to;
  }
  return inside ? -square_root(nearest) : square_root(nearest);
}

// Signed distance from `p` to the edge of what `op` covers.
FN float edge_distance(const DrawParams &params, const Op &op, Point p) {
  float distance = op.kind == SHAPE_RECT ? rect_distance(op, p) : path_distance(op, params.points, p);
  return op.stroke ? absolute(distance) - op.half_width : distance;
}

// Coverage of a pixel whose centre lies `edge` from the edge, 0 to 256.
FN int coverage(const Op &op, float edge) {
  return (int)(clamp(0.5f - edge, 0.0f, op.limit) * 256.0f + 0.5f);
}

// Coverage of the four pixels of the block at (x, y). Where the edge is far away, all four are covered alike.
FN void shape_coverage(const DrawParams &params, const Op &op, u32 x, u32 y, int *covered) {
  float left = (float)x, top = (float)y;
  float edge = edge_distance(params, op, {left + 1.0f, top + 1.0f});
  bool alike = absolute(edge) - 0.5f - BLOCK_RADIUS >= 0.0f;
  covered[0] = covered[1] = covered[2] = covered[3] = coverage(op, edge);
  if (alike) return;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    Point centre = {left + (float)(i & 1) + 0.5f, top + (float)(i >> 1) + 0.5f};
    covered[i] = coverage(op, edge_distance(params, op, centre));
  }
}

FN void sprite_coverage(const DrawParams &params, const Op &op, u32 x, u32 y, int *covered) {
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    u32 column = x + (i & 1) - (u32)op.x, row = y + (i >> 1) - (u32)op.y;
    bool inside = column < op.count && row < op.height;
    int mask = inside ? params.atlas[op.first + row * op.count + column] : 0;
    covered[i] = mask + (mask >> 7);
  }
}

// Whether `op`, which lies in `bounds`, may cover a pixel of `region`.
FN bool touches(const DrawParams &params, const Op &op, const Bounds &bounds, Region region) {
  if (bounds.left > region.left + region.width || bounds.right < region.left) return false;
  if (bounds.top > region.top + region.height || bounds.bottom < region.top) return false;
  if (op.kind == SHAPE_SPRITE) return true;
  Point centre = {region.left + region.width / 2, region.top + region.height / 2};
  return edge_distance(params, op, centre) <= region.radius + 0.5f;
}

// Code values of the pixels (x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1) of each component. A subsampled component
// has only the first.
struct Block {
  u32 x, y;
  int samples[4][4];
  bool painted;
};

// Whether pixel `i` of a block at (x, y) has a sample of its own in `component`.
FN bool has_sample(const DrawParams &p, const Component &component, u32 x, u32 y, u32 i) {
  if (component.shift) return i == 0;
  return x + (i & 1) < p.width && y + (i >> 1) < p.height;
}

FN void load_block(const DrawParams &p, Block &block) {
#pragma unroll
  for (u32 c = 0; c < 4; c++)
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      if (c < p.component_count && has_sample(p, p.from[c], block.x, block.y, i))
        block.samples[c][i] = (int)load(p.from[c], block.x + (i & 1), block.y + (i >> 1));
}

FN void store_block(const DrawParams &p, const Block &block) {
#pragma unroll
  for (u32 c = 0; c < 4; c++)
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      if (c < p.component_count && has_sample(p, p.to[c], block.x, block.y, i))
        store(p.to[c], block.x + (i & 1), block.y + (i >> 1), (u32)block.samples[c][i]);
}

FN int mix(int from, int to, int weight) { return (from * (256 - weight) + to * weight + 128) >> 8; }

// Paints one shape. A pixel beyond the frame's edge weighs as much as its neighbour.
FN void paint(const DrawParams &p, const Op &op, Block &block) {
  int weights[4];
  if (op.kind == SHAPE_SPRITE)
    sprite_coverage(p, op, block.x, block.y, weights);
  else
    shape_coverage(p, op, block.x, block.y, weights);
#pragma unroll
  for (u32 i = 0; i < 4; i++) weights[i] = (weights[i] * op.alpha + 128) >> 8;
  if (block.y + 1 >= p.height) weights[2] = weights[0], weights[3] = weights[1];
  if (block.x + 1 >= p.width) weights[1] = weights[0], weights[3] = weights[2];
  int mean = (weights[0] + weights[1] + weights[2] + weights[3] + 2) >> 2;
  if (!(weights[0] | weights[1] | weights[2] | weights[3])) return;
  block.painted = true;
#pragma unroll
  for (u32 c = 0; c < 3; c++)
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      if (c < p.painted)
        block.samples[c][i] = mix(block.samples[c][i], op.ink[c], p.from[c].shift ? mean : weights[i]);
}
