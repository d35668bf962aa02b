#include "drawing/cat_painter.h"

namespace catgan {
namespace {

void paint_room(const Backdrop& backdrop, Canvas& canvas) {
  const float edge = std::max(0.02f, 2.0f / static_cast<float>(canvas.size()));
  const float tilt = 0.12f * backdrop.angle;
  canvas.map([&](Vec2 p, Color) {
    const float below = p.y - backdrop.level - tilt * p.x;
    const Color wall = backdrop.first * (1.0f - 0.10f * smoothstep(-1.2f, 0.6f, p.y));
    const Color floor = backdrop.second * (0.80f + 0.16f * clamp01(below));
    return mix(wall, floor, smoothstep(-edge, edge, below));
  });
}

void paint_blobs(const CatTraits& cat, Canvas& canvas) {
  const Backdrop& backdrop = cat.backdrop;
  canvas.map([&](Vec2 p, Color) {
    return mix(backdrop.first, backdrop.second, 0.5f * smoothstep(-1, 1, p.y));
  });
  constexpr int kBlobs = 7;
  const Frame whole;
  for (int i = 0; i < kBlobs; ++i) {
    const auto number = [&](int what) { return hash_float(i, what, cat.salt + 20); };
    const Vec2 center{2.2f * number(0) - 1.1f, 2.0f * number(1) - 1.2f};
    const float radius = 0.14f + 0.26f * number(2);
    const Color color = mix(backdrop.second, i % 2 == 0 ? grey(1) : backdrop.first * 0.7f, 0.4f);
    const Vec2 extent{radius, radius};
    canvas.fill(
        whole, {center - extent, center + extent}, 0.12f, 0.55f,
        [&](Vec2 p) { return length(p - center) - radius; }, color);
  }
}

}  // namespace

void paint_backdrop(const CatTraits& cat, Canvas& canvas) {
  const Backdrop& backdrop = cat.backdrop;
  const float cosine = std::cos(backdrop.angle), sine = std::sin(backdrop.angle);
  switch (backdrop.kind) {
    case BackdropKind::kRoom:
      return paint_room(backdrop, canvas);
    case BackdropKind::kBlobs:
      return paint_blobs(cat, canvas);
    case BackdropKind::kGradient:
      return canvas.map([&](Vec2 p, Color) {
        return mix(backdrop.first, backdrop.second * 0.85f,
                   smoothstep(-0.9f, 0.9f, sine * p.x + cosine * p.y));
      });
    case BackdropKind::kDiagonal: {
      const float edge = std::max(0.03f, 2.0f / static_cast<float>(canvas.size()));
      return canvas.map([&](Vec2 p, Color) {
        const float across = cosine * p.x + sine * p.y + 0.5f * backdrop.level - 0.2f;
        return mix(backdrop.first, backdrop.second * 0.9f, smoothstep(-edge, edge, across));
      });
    }
    default:  // plain, with a glow behind the head
      return canvas.map([&](Vec2 p, Color) {
        return backdrop.first * (1.04f - 0.16f * smoothstep(0.4f, 1.5f, length(p)));
      });
  }
}

}  // namespace catgan
