// A picture in floats onto which shapes are painted with anti-aliased or soft edges.
#pragma once

#include <array>
#include <limits>
#include <span>
#include <vector>

#include "drawing/drawing.h"

namespace catgan {

/// Places local coordinates on the canvas, whose own coordinates are [-1, 1] with y down.
struct Frame {
  Vec2 center;
  float scale = 1;
  float cosine = 1, sine = 0;  // of the roll

  Vec2 to_canvas(Vec2 p) const { return center + rotated(p, cosine, sine) * scale; }
  Vec2 to_local(Vec2 c) const { return rotated(c - center, cosine, -sine) * (1.0f / scale); }
};

/// The part of local space that a shape may touch.
struct Box {
  Vec2 low, high;
};

/// A line that narrows from one radius to another.
struct Stroke {
  float start_radius = 0, end_radius = 0;
  float opacity = 1;
  float softness = 0;
};

class Canvas {
 public:
  explicit Canvas(int size)
      : size_(size), pixels_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)) {}

  int size() const { return size_; }

  /// Width of one pixel in the local units of `frame`.
  float pixel(const Frame& frame) const { return 2.0f / (static_cast<float>(size_) * frame.scale); }

  std::span<const Color> pixels() const { return pixels_; }

  /// Replaces every pixel c at canvas point p by shade(p, c).
  template <class Shade>
  void map(Shade shade) {
    for (int row = 0; row < size_; ++row)
      for (int column = 0; column < size_; ++column) {
        Color& c = at(row, column);
        c = shade(point(row, column), c);
      }
  }

  /// Paints a shape: `distance(p)` is negative inside, `paint(p, d)` its colour; the edge fades
  /// over `softness` local units but never over less than a pixel.
  template <class Distance, class Paint>
  void fill(const Frame& frame, Box box, float softness, float opacity, Distance distance,
            Paint paint) {
    const float width = std::max(pixel(frame), softness);
    const Range range = covered(frame, box, 0.5f * width);
    for (int row = range.row_begin; row < range.row_end; ++row)
      for (int column = range.column_begin; column < range.column_end; ++column) {
        const Vec2 p = frame.to_local(point(row, column));
        const float d = distance(p);
        if (d >= 0.5f * width) continue;
        float coverage = std::min(0.5f - d / width, 1.0f);
        if (softness > 0) coverage = coverage * coverage * (3.0f - 2.0f * coverage);
        Color& c = at(row, column);
        c = mix(c, paint(p, d), coverage * opacity);
      }
  }

  /// Paints a shape in one colour.
  template <class Distance>
  void fill(const Frame& frame, Box box, float softness, float opacity, Distance distance,
            Color color) {
    fill(frame, box, softness, opacity, distance, [color](Vec2, float) { return color; });
  }

  /// Paints the quadratic Bezier curve a, b, c; a line thinner than a pixel becomes fainter.
  void curve(const Frame& frame, std::array<Vec2, 3> control, Stroke stroke, Color color);

 private:
  struct Range {
    int row_begin, row_end, column_begin, column_end;
  };

  Color& at(int row, int column) {
    return pixels_[static_cast<std::size_t>(row) * static_cast<std::size_t>(size_) +
                   static_cast<std::size_t>(column)];
  }
  Vec2 point(int row, int column) const {
    const float step = 2.0f / static_cast<float>(size_);
    return {(static_cast<float>(column) + 0.5f) * step - 1.0f,
            (static_cast<float>(row) + 0.5f) * step - 1.0f};
  }
  Range covered(const Frame& frame, Box box, float margin) const;

  int size_;
  std::vector<Color> pixels_;
};

}  // namespace catgan
