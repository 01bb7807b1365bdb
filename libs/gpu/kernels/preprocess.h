// From a frame to one slot of a network's input: colour conversion, bilinear resizing, padding, normalisation.
#pragma once
#include "portable.h"

enum ChannelOrder : u32 { ORDER_RGB, ORDER_BGR, ORDER_GRAY };

// One output position: a source position and the weight of the one after it.
struct Tap {
  u32 first;
  float weight;
};

// Mirrored by `Params` in src/kernels/preprocess.rs.
struct PreprocessParams {
  Component components[3]; // R, G, B or Y, U, V; only the first for grey
  const Tap *columns;      // `width` of them
  const Tap *rows;         // `height` of them
  void *out;
  u64 channel_stride; // in elements
  u64 pixel_stride;   // in elements
  float luma;
  float chroma[3][2];
  float offset[3];
  float mean[3];
  float scale[3];
  float pad;
  u32 component_count;
  u32 convert;
  u32 source_width;
  u32 source_height;
  u32 left;
  u32 top;
  u32 width;
  u32 height;
  u32 input_width;
  u32 input_height;
  ChannelOrder order;
  ElementType element;
};

struct Rgb {
  float channel[3];
};

FN float colour(const PreprocessParams &p, u32 channel, float y, float u, float v) {
  const float *chroma = p.chroma[channel];
  return round_even(clamp(p.luma * y + chroma[0] * u + chroma[1] * v + p.offset[channel], 0.0f, 255.0f));
}

// Pixel (x, y) of the source, 0 to 255.
FN Rgb read_rgb(const PreprocessParams &p, u32 x, u32 y) {
  float neutral = p.components[0].wide ? 512.0f : 128.0f;
  float codes[3] = {(float)load(p.components[0], x, y), neutral, neutral};
  if (p.component_count == 3) {
    codes[1] = (float)load(p.components[1], x, y);
    codes[2] = (float)load(p.components[2], x, y);
  }
  Rgb rgb;
  for (u32 c = 0; c < 3; c++) rgb.channel[c] = p.convert ? colour(p, c, codes[0], codes[1], codes[2]) : codes[c];
  return rgb;
}

FN Rgb mix_rgb(const Rgb &first, const Rgb &second, float weight) {
  Rgb rgb;
  for (u32 c = 0; c < 3; c++) rgb.channel[c] = first.channel[c] + (second.channel[c] - first.channel[c]) * weight;
  return rgb;
}

FN Rgb read_row(const PreprocessParams &p, Tap column, u32 y) {
  Rgb first = read_rgb(p, column.first, y);
  if (column.weight == 0.0f) return first;
  u32 next = column.first + 1 < p.source_width ? column.first + 1 : column.first;
  return mix_rgb(first, read_rgb(p, next, y), column.weight);
}

// Pixel (x, y) of the resized frame, in whole numbers from 0 to 255.
FN Rgb resample(const PreprocessParams &p, u32 x, u32 y) {
  Tap column = p.columns[x], row = p.rows[y];
  Rgb rgb = read_row(p, column, row.first);
  if (row.weight != 0.0f) {
    u32 next = row.first + 1 < p.source_height ? row.first + 1 : row.first;
    rgb = mix_rgb(rgb, read_row(p, column, next), row.weight);
  }
  for (u32 c = 0; c < 3; c++) rgb.channel[c] = round_even(rgb.channel[c]);
  return rgb;
}

FN void write_element(const PreprocessParams &p, u32 channel, u64 pixel, float byte) {
  u64 at = channel * p.channel_stride + pixel * p.pixel_stride;
  float value = (byte - p.mean[channel]) * p.scale[channel];
  if (p.element == ELEMENT_F32)
    ((float *)p.out)[at] = value;
  else if (p.element == ELEMENT_F16)
    ((u16 *)p.out)[at] = half_bits(value);
  else
    ((u8 *)p.out)[at] = (u8)round_even(clamp(value, 0.0f, 255.0f));
}

// Writes every channel of pixel (x, y) of the network's input.
FN void preprocess_pixel(const PreprocessParams &p, u32 x, u32 y) {
  u32 inner_x = x - p.left, inner_y = y - p.top; // wraps to something large left of and above the frame
  Rgb rgb = {{p.pad, p.pad, p.pad}};
  if (inner_x < p.width && inner_y < p.height) rgb = resample(p, inner_x, inner_y);
  u64 pixel = (u64)y * p.input_width + x;
  const float *c = rgb.channel;
  if (p.order == ORDER_GRAY) {
    bool inside = inner_x < p.width && inner_y < p.height;
    float luma = round_even(0.299f * c[0] + 0.587f * c[1] + 0.114f * c[2]);
    return write_element(p, 0, pixel, inside ? luma : p.pad);
  }
  bool reversed = p.order == ORDER_BGR;
  write_element(p, 0, pixel, reversed ? c[2] : c[0]);
  write_element(p, 1, pixel, c[1]);
  write_element(p, 2, pixel, reversed ? c[0] : c[2]);
}
