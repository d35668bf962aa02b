// Everything that tells one drawn cat from another.
#pragma once

#include <cstdint>

#include "drawing/drawing.h"

namespace catgan {

// Lengths are in face units: the head's centre is the origin, its half width about 1, y down.
// Strengths and switches are 0 (absent) to 1 (full).

struct Pose {
  Vec2 center;      // of the head on the canvas [-1, 1]
  float scale = 1;  // canvas units per face unit
  float roll = 0;   // radians
  float yaw = 0;    // -1 looks to the left edge, 1 to the right edge
  float pitch = 0;  // -1 looks up, 1 down
};

struct HeadShape {
  float width = 1, height = 1;  // factors of the skull
  float cheeks = 1;             // factor of the cheeks
  float fluff = 0;              // length of the tufts at the cheeks
  float muzzle = 1;             // factor of the whisker pads and chin
};

struct EarShape {
  float height = 0.6f;  // tip above the skull
  float width = 0.6f;   // base
  float splay = 0;      // how far the tip leans outwards
  float bulge = 0.06f;  // roundness of the sides
  float tufts = 0;      // light hair in the ear
  bool folded = false;
};

struct Coat {
  Color base, light, dark, patch;
  Color white;        // of blaze and bib
  float lighter = 0;  // light muzzle, chin and eye rims
  float stripes = 0;  // tabby lines
  float spots = 0;
  float points = 0;   // dark mask and ears of a Siamese
  float patches = 0;  // calico or tortoiseshell areas
  float patch_size = 1;
  float blaze = 0;      // half width of the white muzzle mask; 0 is none
  float blaze_top = 0;  // how far the mask reaches: -1 the crown, 0 between the eyes, 1 the chin
  float texture = 0;    // strength of the fur strands
  Color inner_ear, nose;
};

struct Eyes {
  Color left, right;
  float distance = 0.4f;  // of each from the middle
  float height = 0;
  float size = 0.23f;     // half width
  float opening = 0.85f;  // half height over half width
  float roundness = 0.5f;
  float tilt = 0;      // outer corners up
  float pupil = 0.5f;  // half width over that of a fully round one
  Vec2 gaze;
};

struct Mouth {
  float width = 0.2f;
  float smile = 0;  // corners up
  float open = 0;   // 0 is closed
  float nose = 0.14f;
};

struct Whiskers {
  int count = 3;  // on each side
  float length = 0.8f;
  float droop = 0;
  float strength = 0.7f;
};

struct Light {
  Vec2 direction;  // from where, on the canvas
  float strength = 0.15f;
  float brightness = 1;
  float warmth = 0;  // negative is cool
  float vignette = 0;
};

enum class BackdropKind { kPlain, kGradient, kRoom, kBlobs, kDiagonal, kCount };

struct Backdrop {
  BackdropKind kind = BackdropKind::kPlain;
  Color first, second;
  float level = 0;  // height of the horizon, or where the gradient turns
  float angle = 0;
};

struct CatTraits {
  Pose pose;
  HeadShape head;
  EarShape ears;
  Coat coat;
  Eyes eyes;
  Mouth mouth;
  Whiskers whiskers;
  Light light;
  Backdrop backdrop;
  std::uint32_t salt = 0;  // of the noise in fur and patches
};

/// The traits of cat `index` of the data set `seed`; they do not depend on the picture's size.
CatTraits sample_cat(std::uint64_t seed, std::uint32_t index);

}  // namespace catgan
