#include "drawing/drawn_cats.h"

#include "drawing/cat_painter.h"
#include "whisker/kernels/check.h"

namespace catgan {
namespace {

std::uint8_t to_byte(float v) {
  return static_cast<std::uint8_t>(clamp01(v) * 255.0f + 0.5f);
}

}  // namespace

void draw_cat(std::uint64_t seed, std::uint32_t index, int size, std::uint8_t* rgb) {
  whisker::check(size >= kMinDrawnSize && size <= kMaxDrawnSize, "draw_cat: size ", size,
                 " is outside ", kMinDrawnSize, "..", kMaxDrawnSize, "; choose one inside");
  whisker::check(rgb != nullptr, "draw_cat: rgb is null, wants room for ", size, "x", size, "x3");
  Canvas canvas(size);
  paint_cat(sample_cat(seed, index), canvas);
  for (const Color c : canvas.pixels()) {
    *rgb++ = to_byte(c.r);
    *rgb++ = to_byte(c.g);
    *rgb++ = to_byte(c.b);
  }
}

}  // namespace catgan
