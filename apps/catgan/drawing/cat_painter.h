// Paints a cat from its traits.
#pragma once

#include "drawing/canvas.h"
#include "drawing/cat_traits.h"

namespace catgan {

/// Paints the whole picture: backdrop, body, ears, head, features and light.
void paint_cat(const CatTraits& cat, Canvas& canvas);

/// Fills the canvas with the scene behind the cat.
void paint_backdrop(const CatTraits& cat, Canvas& canvas);

/// Paints eyes, muzzle and whiskers onto the head that lies in `face`.
void paint_features(const CatTraits& cat, const Frame& face, Canvas& canvas);

/// Where a point of the front of the head lies once the head is turned by yaw and pitch.
inline Vec2 turned(const Pose& pose, Vec2 p) {
  return {p.x + 0.13f * pose.yaw * (1.0f - 0.6f * p.x * p.x), p.y + 0.07f * pose.pitch};
}

/// The reverse of turned(), good to a hundredth inside the head.
inline Vec2 unturned(const Pose& pose, Vec2 p) {
  return {p.x - 0.13f * pose.yaw * (1.0f - 0.6f * p.x * p.x), p.y - 0.07f * pose.pitch};
}

}  // namespace catgan
