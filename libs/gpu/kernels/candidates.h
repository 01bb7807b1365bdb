// From a dense output to the positions that the network is sure enough of.
#pragma once
#include "portable.h"

// Mirrored by `vision::head::Candidate`.
struct Candidate {
  u32 image;
  u32 position;
  u32 class_index;
  float score;
  float numbers[4];
};

// How many candidates there are once a search is done. The others are zero before and after it.
struct CandidateCounter {
  u32 found;
  u32 next;
  u32 blocks;
};

// Mirrored by `Params` in src/kernels/candidates.rs.
struct CandidateParams {
  const void *values;
  CandidateCounter *counter;
  Candidate *out; // one for each position of each image
  float confidence;
  u32 images;
  u32 positions;
  u32 classes;
  u32 objectness; // 1 if the box is followed by a score that the others are multiplied by
  u32 planes;     // 1 for [image, number, position] instead of [image, position, number]
  ElementType element;
};

FN float read_number(const CandidateParams &p, u64 at) {
  return p.element == ELEMENT_F16 ? from_half_bits(((const u16 *)p.values)[at]) : ((const float *)p.values)[at];
}

// Whether position `position` of image `image` is one, and if so, `found`.
FN bool find_candidate(const CandidateParams &p, u32 image, u32 position, Candidate &found) {
  u32 first = 4 + p.objectness, width = first + p.classes;
  u64 start = (u64)image * width * p.positions + (p.planes ? position : (u64)position * width);
  u64 step = p.planes ? p.positions : 1;
  float objectness = p.objectness ? read_number(p, start + 4 * step) : 1.0f;
  if (p.objectness && !(objectness > p.confidence)) return false;
  float best = 0.0f;
  u32 best_class = 0;
#pragma unroll 8
  for (u32 c = 0; c < p.classes; c++) {
    float score = read_number(p, start + (first + c) * step);
    if (score > best) {
      best = score;
      best_class = c;
    }
  }
  float score = objectness * best;
  if (!(score > p.confidence)) return false;
  found = {image, position, best_class, score, {}};
  for (u32 n = 0; n < 4; n++) found.numbers[n] = read_number(p, start + n * step);
  return true;
}
