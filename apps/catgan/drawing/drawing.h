// Points, colours, noise and signed distances for drawing pictures without a library.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace catgan {

struct Vec2 {
  float x = 0, y = 0;
};

inline Vec2 operator+(Vec2 a, Vec2 b) {
  return {a.x + b.x, a.y + b.y};
}
inline Vec2 operator-(Vec2 a, Vec2 b) {
  return {a.x - b.x, a.y - b.y};
}
inline Vec2 operator*(Vec2 a, float k) {
  return {a.x * k, a.y * k};
}
inline float dot(Vec2 a, Vec2 b) {
  return a.x * b.x + a.y * b.y;
}
inline float length(Vec2 a) {
  return std::sqrt(dot(a, a));
}

/// Turns `a` by the angle whose cosine and sine are given (y points down).
inline Vec2 rotated(Vec2 a, float cosine, float sine) {
  return {cosine * a.x - sine * a.y, sine * a.x + cosine * a.y};
}

/// sRGB values in [0, 1]; mixing happens in sRGB, so averaging pixels is a smaller picture.
struct Color {
  float r = 0, g = 0, b = 0;
};

inline Color operator+(Color a, Color b) {
  return {a.r + b.r, a.g + b.g, a.b + b.b};
}
inline Color operator*(Color a, float k) {
  return {a.r * k, a.g * k, a.b * k};
}
inline float mix(float a, float b, float t) {
  return a + (b - a) * t;
}
inline Vec2 mix(Vec2 a, Vec2 b, float t) {
  return a + (b - a) * t;
}
inline Color mix(Color a, Color b, float t) {
  return {mix(a.r, b.r, t), mix(a.g, b.g, t), mix(a.b, b.b, t)};
}
inline float luminance(Color c) {
  return 0.299f * c.r + 0.587f * c.g + 0.114f * c.b;
}
inline Color grey(float v) {
  return {v, v, v};
}

inline float clamp01(float t) {
  return std::clamp(t, 0.0f, 1.0f);
}

/// 0 below `low`, 1 above `high`, a smooth cubic between; low > high gives the falling step.
inline float smoothstep(float low, float high, float v) {
  const float t = clamp01((v - low) / (high - low));
  return t * t * (3.0f - 2.0f * t);
}

/// Union of two distances whose seam is rounded over about `k`.
inline float smooth_min(float a, float b, float k) {
  const float h = std::max(k - std::fabs(a - b), 0.0f) / k;
  return std::min(a, b) - h * h * k * 0.25f;
}
inline float smooth_max(float a, float b, float k) {
  return -smooth_min(-a, -b, k);
}

/// Distance to an ellipse, exact on its outline and close to it nearby.
inline float ellipse_distance(Vec2 p, Vec2 center, Vec2 radii) {
  const Vec2 q = p - center;
  const Vec2 inverse{1.0f / radii.x, 1.0f / radii.y};
  const Vec2 unit{q.x * inverse.x, q.y * inverse.y};
  const Vec2 slope{unit.x * inverse.x, unit.y * inverse.y};
  const float k = length(unit);
  return k * (k - 1.0f) / std::max(length(slope), 1e-6f);
}

/// A disc whose circle goes through two points.
struct Disc {
  Vec2 center;
  float radius = 1;

  float distance(Vec2 p) const { return length(p - center) - radius; }
};

/// The disc to the right of the way from a to b (y down), its arc bulging left by `sagitta` > 0.
inline Disc disc_through(Vec2 a, Vec2 b, float sagitta) {
  const Vec2 chord = b - a;
  const float half = 0.5f * length(chord);
  const float radius = (half * half + sagitta * sagitta) / (2.0f * sagitta);
  const Vec2 right = Vec2{-chord.y, chord.x} * (0.5f / half);
  return {mix(a, b, 0.5f) + right * (radius - sagitta), radius};
}

inline std::uint32_t hash(std::int32_t x, std::int32_t y, std::uint32_t salt) {
  std::uint32_t h = static_cast<std::uint32_t>(x) * 0x8da6b343u ^
                    static_cast<std::uint32_t>(y) * 0xd8163841u ^ salt * 0xcb1ab31fu;
  h = (h ^ (h >> 15)) * 0x2c1b3c6du;
  h = (h ^ (h >> 12)) * 0x297a2d39u;
  return h ^ (h >> 15);
}
inline float hash_float(std::int32_t x, std::int32_t y, std::uint32_t salt) {
  return static_cast<float>(hash(x, y, salt) >> 8) * 0x1p-24f;
}

/// Smooth noise in [-1, 1] with features about one unit wide.
inline float value_noise(Vec2 p, std::uint32_t salt) {
  const float fx = std::floor(p.x), fy = std::floor(p.y);
  const auto ix = static_cast<std::int32_t>(fx), iy = static_cast<std::int32_t>(fy);
  const float tx = smoothstep(0, 1, p.x - fx), ty = smoothstep(0, 1, p.y - fy);
  const float top = mix(hash_float(ix, iy, salt), hash_float(ix + 1, iy, salt), tx);
  const float bottom = mix(hash_float(ix, iy + 1, salt), hash_float(ix + 1, iy + 1, salt), tx);
  return 2.0f * mix(top, bottom, ty) - 1.0f;
}

/// Runs from -2 to 2 as `a` turns clockwise once from straight down: an angle that costs a
/// division.
inline float heading(Vec2 a) {
  const float turn = a.x / std::max(std::fabs(a.x) + std::fabs(a.y), 1e-6f);
  if (a.y <= 0) return turn;
  return a.x < 0 ? -2.0f - turn : 2.0f - turn;
}

/// Triangle wave of period 1 in [0, 1].
inline float zigzag(float t) {
  return std::fabs(2.0f * (t - std::floor(t)) - 1.0f);
}

}  // namespace catgan
