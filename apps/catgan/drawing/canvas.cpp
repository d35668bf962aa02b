#include "drawing/canvas.h"

namespace catgan {

Canvas::Range Canvas::covered(const Frame& frame, Box box, float margin) const {
  constexpr float kFar = std::numeric_limits<float>::max();
  Vec2 low{kFar, kFar}, high{-kFar, -kFar};
  for (const float x : {box.low.x - margin, box.high.x + margin})
    for (const float y : {box.low.y - margin, box.high.y + margin}) {
      const Vec2 corner = frame.to_canvas({x, y});
      low = {std::min(low.x, corner.x), std::min(low.y, corner.y)};
      high = {std::max(high.x, corner.x), std::max(high.y, corner.y)};
    }
  const float half = 0.5f * static_cast<float>(size_);
  const auto index = [&](float v) {
    return static_cast<int>(std::clamp((v + 1.0f) * half, 0.0f, 2.0f * half));
  };
  return {index(low.y), std::min(index(high.y) + 1, size_), index(low.x),
          std::min(index(high.x) + 1, size_)};
}

void Canvas::curve(const Frame& frame, std::array<Vec2, 3> control, Stroke stroke, Color color) {
  constexpr int kSegments = 5;
  struct Segment {
    Vec2 start, way;
    float inverse_square = 0;  // of the way's length
  };
  std::array<Segment, kSegments> segments;
  Vec2 low = control[0], high = control[0], last = control[0];
  for (int i = 0; i < kSegments; ++i) {
    const float t = static_cast<float>(i + 1) / kSegments;
    const Vec2 next = mix(mix(control[0], control[1], t), mix(control[1], control[2], t), t);
    const Vec2 way = next - last;
    segments[static_cast<std::size_t>(i)] = {last, way, 1.0f / std::max(dot(way, way), 1e-12f)};
    low = {std::min(low.x, next.x), std::min(low.y, next.y)};
    high = {std::max(high.x, next.x), std::max(high.y, next.y)};
    last = next;
  }
  const float thinnest = 0.5f * pixel(frame);
  const float width = std::max(pixel(frame), stroke.softness);
  const float widest = std::max({stroke.start_radius, stroke.end_radius, thinnest});
  const float reach = (widest + 0.5f * width) * (widest + 0.5f * width);
  const Range range = covered(frame, {low, high}, widest + 0.5f * width);
  for (int row = range.row_begin; row < range.row_end; ++row)
    for (int column = range.column_begin; column < range.column_end; ++column) {
      const Vec2 p = frame.to_local(point(row, column));
      float nearest = std::numeric_limits<float>::max(), along = 0;
      for (std::size_t i = 0; i < kSegments; ++i) {
        const Vec2 from = p - segments[i].start;
        const float h = clamp01(dot(from, segments[i].way) * segments[i].inverse_square);
        const Vec2 off = from - segments[i].way * h;
        const float square = dot(off, off);
        if (square < nearest) nearest = square, along = static_cast<float>(i) + h;
      }
      if (nearest >= reach) continue;
      const float radius = mix(stroke.start_radius, stroke.end_radius, along / kSegments);
      const float d = std::sqrt(nearest) - std::max(radius, thinnest);
      const float coverage = std::clamp(0.5f - d / width, 0.0f, 1.0f);
      const float thinness = std::min(radius / thinnest, 1.0f);
      Color& c = at(row, column);
      c = mix(c, color, coverage * thinness * stroke.opacity);
    }
}

}  // namespace catgan
