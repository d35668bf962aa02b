// Eyes, muzzle and whiskers.
#include <array>

#include "drawing/cat_painter.h"

namespace catgan {
namespace {

constexpr Color kInk{0.10f, 0.08f, 0.09f};

struct Face {
  const CatTraits& cat;
  const Frame& frame;
  Canvas& canvas;

  Vec2 at(float x, float y) const { return turned(cat.pose, {x, y}); }
};

// ---- Eyes ----

/// Distance to an eye centred at the origin: between an almond (two parabolas) and an ellipse.
float eye_distance(const Eyes& eyes, Vec2 radii, Vec2 p) {
  const float u = p.x / radii.x, steep = 2.0f * radii.y * u / radii.x;
  const float upper = -p.y - 1.08f * radii.y * (1.0f - u * u);
  const float lower = p.y - 0.92f * radii.y * (1.0f - u * u);
  const float almond = smooth_max(upper, lower, 0.06f) / std::sqrt(1.0f + steep * steep);
  return mix(almond, ellipse_distance(p, {}, radii * 0.97f), eyes.roundness);
}

/// Iris and pupil; the pupil stays upright in the face however the eye is tilted by `angle`.
void paint_iris(const Face& face, const Frame& frame, Vec2 radii, float angle, Color color) {
  const Eyes& eyes = face.cat.eyes;
  const Box box{radii * -1.1f, radii * 1.1f};
  face.canvas.fill(
      frame, box, 0, 1, [&](Vec2 p) { return eye_distance(eyes, radii, p); },
      [&](Vec2 p, float d) {
        const float glow = smoothstep(-0.8f, 1.0f, p.y / radii.y);
        const float rim = smoothstep(-0.07f, 0.0f, d);
        const Color lit = mix(color * 0.72f, mix(color, grey(1), 0.16f), glow);
        return mix(lit, color * 0.42f, 0.65f * rim);
      });
  const float tall = 0.80f * radii.y;
  const Vec2 pupil{mix(0.16f, 0.86f, eyes.pupil) * tall, tall * mix(1.08f, 0.90f, eyes.pupil)};
  const Vec2 center{eyes.gaze.x * 0.28f * (radii.x - pupil.x), eyes.gaze.y * 0.12f * radii.y};
  const float c = std::cos(angle), s = std::sin(angle);
  face.canvas.fill(
      frame, box, 0, 1,
      [&](Vec2 p) {
        return std::max(ellipse_distance(rotated(p, c, s), center, pupil),
                        eye_distance(eyes, radii, p) + 0.01f);
      },
      kInk * 0.8f);
}

void paint_eye(const Face& face, float side) {
  const CatTraits& cat = face.cat;
  const Eyes& eyes = cat.eyes;
  const Vec2 center = face.at(side * eyes.distance, eyes.height);
  const float narrowing = 1.0f - 0.10f * side * cat.pose.yaw;  // the far eye is foreshortened
  const Vec2 radii{eyes.size * narrowing, eyes.size * eyes.opening};
  const float angle = -side * eyes.tilt;
  const float c = std::cos(angle), s = std::sin(angle);
  Frame frame = face.frame;
  frame.center = face.frame.to_canvas(center);
  frame.cosine = face.frame.cosine * c - face.frame.sine * s;
  frame.sine = face.frame.sine * c + face.frame.cosine * s;

  const Vec2 extent = radii * 1.08f;
  const auto around = [&](float by) {
    return Box{{-extent.x - by, -extent.y - by}, {extent.x + by, extent.y + by}};
  };
  const auto outline = [&](Vec2 p) { return eye_distance(eyes, radii, p); };
  face.canvas.fill(
      frame, around(0.07f), 0.14f, 0.30f, [&](Vec2 p) { return outline(p) - 0.07f; },
      mix(cat.coat.dark, kInk, 0.6f));
  face.canvas.fill(
      frame, around(0.05f), 0, 1, [&](Vec2 p) { return outline(p) - 0.03f; }, kInk);
  const Vec2 inner{-side * radii.x * 0.9f, radii.y * 0.12f};
  face.canvas.curve(frame,
                    {inner, inner + Vec2{-side * 0.05f, 0.04f}, inner + Vec2{-side * 0.07f, 0.1f}},
                    {0.03f, 0.012f, 0.9f, 0}, kInk);
  paint_iris(face, frame, radii, angle, side < 0 ? eyes.left : eyes.right);
  face.canvas.fill(  // the lid's shadow
      frame, {extent * -1.0f, {extent.x, -0.72f * radii.y}}, 0.10f, 0.38f,
      [&](Vec2 p) { return std::max(outline(p), p.y + 0.72f * radii.y); }, kInk);

  const float toward = cat.light.direction.x >= 0 ? 1.0f : -1.0f;
  const auto glint = [&](Vec2 at, float radius, float opacity) {
    face.canvas.fill(
        frame, {at - Vec2{radius, radius}, at + Vec2{radius, radius}}, 0.015f, opacity,
        [&](Vec2 p) { return length(p - at) - radius; }, grey(1));
  };
  glint({toward * 0.34f * radii.x, -0.38f * radii.y}, 0.27f * radii.y, 0.97f);
  glint({-toward * 0.34f * radii.x, 0.42f * radii.y}, 0.13f * radii.y, 0.55f);
}

// ---- Muzzle ----

void paint_nose(const Face& face) {
  const CatTraits& cat = face.cat;
  const float w = cat.mouth.nose;
  const Vec2 center = face.at(0, 0.27f);
  const auto distance = [&](Vec2 p) {
    const Vec2 q{std::fabs(p.x - center.x), p.y - center.y};
    const float top = -q.y - 0.055f - 0.10f * q.x;
    const float side = dot(q - Vec2{0, 0.10f}, {0.72f, 0.69f});
    return smooth_max(smooth_max(top, side, 0.05f), q.x - w, 0.04f);
  };
  const Box box{center - Vec2{w, 0.12f}, center + Vec2{w, 0.14f}};
  face.canvas.fill(
      face.frame, box, 0.07f, 0.45f, [&](Vec2 p) { return distance(p) - 0.03f; },
      mix(cat.coat.nose, kInk, 0.75f));
  face.canvas.fill(face.frame, box, 0, 1, distance, [&](Vec2 p, float) {
    const float v = p.y - center.y;
    const Color lit = mix(cat.coat.nose, grey(1), 0.28f * smoothstep(0.0f, -0.06f, v));
    return lit * (1.0f - 0.25f * smoothstep(0.02f, 0.10f, v));
  });
  for (const float side : {-1.0f, 1.0f})
    face.canvas.curve(face.frame,
                      {center + Vec2{side * 0.045f, 0.025f}, center + Vec2{side * 0.07f, 0.008f},
                       center + Vec2{side * 0.085f, 0.03f}},
                      {0.014f, 0.010f, 0.65f, 0}, kInk);
}

void paint_mouth(const Face& face) {
  const Mouth& mouth = face.cat.mouth;
  const Color ink = mix(mix(face.cat.coat.dark, face.cat.coat.nose, 0.3f), kInk, 0.75f);
  const Vec2 nose = face.at(0, 0.35f), fork = face.at(0, 0.47f);
  if (mouth.open > 0) {
    const Vec2 radii{0.10f + 0.03f * mouth.open, 0.05f + 0.06f * mouth.open};
    const Vec2 center = fork + Vec2{0, 0.6f * radii.y};
    const Box box{center - radii, center + radii};
    const auto inside = [&](Vec2 p) { return ellipse_distance(p, center, radii); };
    face.canvas.fill(face.frame, box, 0, 1, inside, Color{0.36f, 0.12f, 0.13f});
    face.canvas.fill(
        face.frame, box, 0.02f, 1,
        [&](Vec2 p) {
          const Vec2 tongue = center + Vec2{0, 0.55f * radii.y};
          return std::max(inside(p) + 0.012f,
                          ellipse_distance(p, tongue, {0.75f * radii.x, 0.7f * radii.y}));
        },
        Color{0.90f, 0.50f, 0.52f});
  }
  face.canvas.curve(face.frame, {nose, mix(nose, fork, 0.5f), fork}, {0.022f, 0.020f, 0.8f, 0},
                    ink);
  for (const float side : {-1.0f, 1.0f}) {
    const Vec2 corner = face.at(side * mouth.width, 0.49f - mouth.smile);
    const Vec2 sag = face.at(side * 0.62f * mouth.width, 0.60f);
    face.canvas.curve(face.frame, {fork, sag, corner}, {0.022f, 0.014f, 0.8f, 0}, ink);
  }
}

/// Light pads and chin with shadows around them; drawn as veils, so any coat shows through.
void paint_muzzle(const Face& face) {
  const CatTraits& cat = face.cat;
  const float size = cat.head.muzzle;
  const auto veil = [&](Vec2 center, Vec2 radii, float softness, float opacity, Color color) {
    face.canvas.fill(
        face.frame, {center - radii, center + radii}, softness, opacity,
        [&](Vec2 p) { return ellipse_distance(p, center, radii); }, color);
  };
  const Color shade = mix(cat.coat.dark, kInk, 0.5f);
  for (const float side : {-1.0f, 1.0f})
    face.canvas.curve(
        face.frame,
        {face.at(side * 0.17f, -0.05f), face.at(side * 0.13f, 0.1f), face.at(side * 0.14f, 0.24f)},
        {0.03f, 0.02f, 0.16f, 0.12f}, shade);
  veil(face.at(0, 0.66f), {0.30f * size, 0.14f}, 0.16f, 0.20f, shade);
  veil(face.at(0, 0.61f), {0.17f * size, 0.10f}, 0.12f, 0.22f * (1.0f - 0.8f * cat.coat.points),
       grey(1));
  const float glow = (0.17f + 0.1f * luminance(cat.coat.base)) * (1.0f - 0.8f * cat.coat.points);
  for (const float side : {-1.0f, 1.0f}) {
    const Vec2 pad = face.at(side * 0.165f * size, 0.43f);
    veil(pad + Vec2{0, 0.04f}, {0.22f * size, 0.17f * size}, 0.12f, 0.16f, shade);
    veil(pad, {0.20f * size, 0.16f * size}, 0.12f, glow, grey(1));
  }
  paint_mouth(face);
  paint_nose(face);
}

// ---- Whiskers ----

void paint_whiskers(const Face& face) {
  const CatTraits& cat = face.cat;
  const Whiskers& whiskers = cat.whiskers;
  for (const float side : {-1.0f, 1.0f})
    for (int i = 0; i < whiskers.count; ++i) {
      const float rank = whiskers.count == 1
                             ? 0.5f
                             : static_cast<float>(i) / static_cast<float>(whiskers.count - 1);
      const float wobble = hash_float(i, side > 0 ? 1 : 0, cat.salt + 30) - 0.5f;
      const float slope = mix(-0.30f, 0.34f, rank) + 0.10f * wobble + whiskers.droop;
      const float reach = whiskers.length * (1.0f + 0.15f * wobble);
      const Vec2 root = face.at(side * 0.23f, mix(0.37f, 0.49f, rank));
      const Vec2 tip = root + Vec2{side * reach, slope * reach + 0.06f};
      const Vec2 bend = root + Vec2{side * 0.55f * reach, slope * reach * 0.5f - 0.08f};
      face.canvas.curve(face.frame, {root, bend, tip}, {0.020f, 0.006f, whiskers.strength, 0},
                        grey(0.98f));
      face.canvas.curve(face.frame, {root, root, root}, {0.02f, 0.02f, 0.45f, 0}, kInk);
    }
}

}  // namespace

void paint_features(const CatTraits& cat, const Frame& frame, Canvas& canvas) {
  const Face face{cat, frame, canvas};
  for (const float side : {-1.0f, 1.0f})
    paint_eye(face, side);
  paint_muzzle(face);
  paint_whiskers(face);
}

}  // namespace catgan
