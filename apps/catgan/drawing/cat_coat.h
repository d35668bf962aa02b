// The colour of a cat's fur, point by point.
#pragma once

#include "drawing/cat_traits.h"

namespace catgan {

/// Colour of the head's fur at face point p, before light; `pixel` is a pixel's width there:
/// detail finer than that fades out.
Color head_fur(const CatTraits& cat, Vec2 p, float pixel);

/// The same for the back of an ear on the given side (-1 left, 1 right).
Color ear_fur(const CatTraits& cat, Vec2 p, float side, float pixel);

/// The same for chest and shoulders.
Color body_fur(const CatTraits& cat, Vec2 p, float pixel);

}  // namespace catgan
