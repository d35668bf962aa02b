#include "drawing/cat_coat.h"

#include <numbers>

namespace catgan {
namespace {

constexpr float kTau = 2.0f * std::numbers::pi_v<float>;

/// 1 on the middle of lines that repeat every `period`, 0 between them.
float lines(float v, float period, float pixel) {
  const float edge = 0.35f + pixel / period;
  return smoothstep(0.1f - edge, 0.1f + edge, std::cos(kTau * v / period));
}

/// The M on the forehead, bars between the ears and on the cheeks, a line from the eye outwards.
float tabby_lines(const CatTraits& cat, Vec2 p, float pixel) {
  const Vec2 bend{value_noise(p * 3.0f, cat.salt), value_noise(p * 3.0f, cat.salt + 1)};
  const Vec2 q = p + bend * 0.03f;
  const float side = std::fabs(q.x);
  float strength = 0;
  if (q.y < -0.15f) {
    const float fan = side / (1.0f + 0.75f * (-q.y - 0.3f));
    const float foot = -0.30f - 0.10f * std::cos(kTau * fan / 0.42f);  // feet of the M
    const float reach = smoothstep(foot + 0.06f, foot - 0.1f, q.y) * smoothstep(0.56f, 0.46f, fan);
    strength = reach * lines(fan, 0.19f, pixel);
  }
  if (side > 0.45f && q.y > -0.3f) {
    const float sag = q.y - 0.28f * (side - 0.6f) * (side - 0.6f) + 0.1f * side;
    const float reach = smoothstep(0.55f, 0.72f, side) * smoothstep(0.62f, 0.42f, q.y) *
                        smoothstep(-0.3f, -0.15f, q.y);
    strength = std::max(strength, reach * lines(sag - 0.09f, 0.23f, pixel));
  }
  return strength;
}

/// Round spots on a jittered grid, none on the muzzle and around the eyes.
float spot_pattern(const CatTraits& cat, Vec2 p, float pixel) {
  constexpr float kCell = 0.23f;
  const Vec2 q = p * (1.0f / kCell);
  const auto cell_x = static_cast<std::int32_t>(std::floor(q.x));
  const auto cell_y = static_cast<std::int32_t>(std::floor(q.y));
  float strength = 0;
  for (std::int32_t y = cell_y - 1; y <= cell_y + 1; ++y)
    for (std::int32_t x = cell_x - 1; x <= cell_x + 1; ++x) {
      const Vec2 center{static_cast<float>(x) + 0.25f + 0.5f * hash_float(x, y, cat.salt),
                        static_cast<float>(y) + 0.25f + 0.5f * hash_float(x, y, cat.salt + 1)};
      const float radius = 0.22f + 0.16f * hash_float(x, y, cat.salt + 2);
      const float edge = 0.1f + pixel / kCell;
      strength = std::max(strength, smoothstep(radius + edge, radius - edge, length(q - center)));
    }
  const float face = ellipse_distance(p, {0, 0.16f}, {0.66f, 0.44f});
  return strength * smoothstep(-0.02f, 0.12f, face);
}

/// Areas of two colours over the base coat.
Color patched(const CatTraits& cat, Vec2 p, Color color, float pixel) {
  const Coat& coat = cat.coat;
  const float scale = 1.0f / coat.patch_size, edge = 0.06f + pixel * scale;
  const float lean = ((cat.salt & 1u) != 0 ? p.x : -p.x) * 0.55f - 0.25f * p.y;
  const float ragged = 0.16f * value_noise(p * (4.0f * scale), cat.salt + 5);
  const float first = value_noise(p * (1.6f * scale), cat.salt + 3) + lean + ragged;
  const float second = value_noise(p * (1.6f * scale), cat.salt + 4) - lean - 0.5f * p.y + ragged;
  color = mix(color, coat.patch, smoothstep(0.2f - edge, 0.2f + edge, first));
  return mix(color, coat.dark, smoothstep(0.2f - edge, 0.2f + edge, second));
}

/// The white mask: a blaze that widens from the forehead to the muzzle.
float blaze_mask(const CatTraits& cat, Vec2 p, float pixel) {
  const Coat& coat = cat.coat;
  const float top = mix(-0.25f, 0.3f, 0.5f * (coat.blaze_top + 1.0f));
  const float narrow = coat.blaze_top < 0 ? 0.055f - 0.09f * coat.blaze_top : 0.0f;
  const float widening = smoothstep(top, 0.42f, p.y);
  const float width = narrow + (coat.blaze + 0.12f - narrow) * widening;
  const float wander = 0.05f * value_noise(p * 3.0f, cat.salt + 6);
  const float crown = coat.blaze_top < -0.6f ? -2.0f : mix(-0.75f, 0.25f, coat.blaze_top + 0.6f);
  const float edge = 0.025f + 0.5f * pixel;
  const float side = std::fabs(p.x + wander) - width + wander;
  return smoothstep(edge, -edge, side) * smoothstep(crown - 0.08f, crown + 0.1f, p.y);
}

/// Strands that run away from the nose, as a factor around 1.
float strands(const CatTraits& cat, Vec2 p, float pixel) {
  const Vec2 q = p - Vec2{0, 0.2f};
  const float r = length(q), angle = 1.57f * heading(q);  // its seam is hidden below the chin
  const float coarse = value_noise({angle * 9.0f, r * 4.5f}, cat.salt + 7);
  const float seen = smoothstep(0.09f, 0.02f, pixel);
  float fur = 0.045f * coarse * seen;
  const float fine = smoothstep(0.03f, 0.008f, pixel);
  if (fine > 0) fur += 0.05f * fine * value_noise({angle * 26.0f, r * 11.0f}, cat.salt + 8);
  return 1.0f + cat.coat.texture * fur;
}

/// What head and body share: base, patches, spots.
Color common_fur(const CatTraits& cat, Vec2 p, float pixel) {
  const Coat& coat = cat.coat;
  Color color = coat.base;
  if (coat.patches > 0) color = patched(cat, p, color, pixel);
  if (coat.spots > 0)
    color = mix(color, coat.dark, 0.85f * coat.spots * spot_pattern(cat, p, pixel));
  return color;
}

}  // namespace

Color head_fur(const CatTraits& cat, Vec2 p, float pixel) {
  const Coat& coat = cat.coat;
  Color color = common_fur(cat, p, pixel);
  if (coat.lighter > 0) {
    const float side = std::fabs(p.x);
    const float muzzle = ellipse_distance(p, {0, 0.52f}, {0.42f, 0.30f});
    const float rims = ellipse_distance({side, p.y}, {cat.eyes.distance, cat.eyes.height},
                                        {cat.eyes.size + 0.05f, cat.eyes.size + 0.05f});
    const float pale =
        std::max(smoothstep(0.10f, -0.14f, muzzle), 0.75f * smoothstep(0.09f, -0.03f, rims));
    color = mix(color, coat.light, coat.lighter * pale);
  }
  if (coat.stripes > 0)
    color = mix(color, coat.dark, 0.9f * coat.stripes * tabby_lines(cat, p, pixel));
  if (coat.points > 0) {
    const float mask = ellipse_distance(p, {0, 0.24f}, {0.5f, 0.46f});
    color = mix(color, coat.dark, coat.points * smoothstep(0.26f, -0.26f, mask));
  }
  if (coat.blaze > 0) color = mix(color, coat.white, blaze_mask(cat, p, pixel));
  return color * strands(cat, p, pixel);
}

Color ear_fur(const CatTraits& cat, Vec2 p, float side, float pixel) {
  const Coat& coat = cat.coat;
  Color color = coat.patches > 0 ? patched(cat, p, coat.base, pixel) : coat.base;
  if (coat.stripes > 0 || coat.spots > 0)
    color = mix(color, coat.dark, 0.35f * std::max(coat.stripes, coat.spots));
  if (coat.points > 0) color = mix(color, coat.dark, coat.points);
  const float grain = value_noise({side * p.x * 14.0f, p.y * 5.0f}, cat.salt + 10);
  return color * (1.0f + 0.04f * coat.texture * grain * smoothstep(0.09f, 0.02f, pixel));
}

Color body_fur(const CatTraits& cat, Vec2 p, float pixel) {
  const Coat& coat = cat.coat;
  Color color = common_fur(cat, p, pixel);
  if (coat.stripes > 0) {
    const float bands = lines(p.y + 0.25f * std::fabs(p.x), 0.24f, pixel);
    color =
        mix(color, coat.dark, 0.7f * coat.stripes * bands * smoothstep(0.2f, 0.5f, std::fabs(p.x)));
  }
  if (coat.lighter > 0)
    color = mix(color, coat.light, 0.6f * coat.lighter * smoothstep(0.4f, 0.1f, std::fabs(p.x)));
  if (coat.blaze > 0) {
    const float edge = 0.04f + pixel;
    const float width = 0.35f + 0.3f * coat.blaze + 0.06f * value_noise(p * 3.0f, cat.salt + 6);
    color = mix(color, coat.white, smoothstep(width + edge, width - edge, std::fabs(p.x)));
  }
  return color * strands(cat, p, pixel);
}

}  // namespace catgan
