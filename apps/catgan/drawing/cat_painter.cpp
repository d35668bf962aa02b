#include "drawing/cat_painter.h"

#include "drawing/cat_coat.h"

namespace catgan {
namespace {

constexpr Color kShadow{0.10f, 0.08f, 0.12f};

/// A head, and where it lies: skull, cheeks and chin joined softly, ragged with fur.
class Head {
 public:
  explicit Head(const CatTraits& cat) : shape_(cat.head), salt_(cat.salt) {}

  float smooth_distance(Vec2 p) const {
    const Vec2 q{std::fabs(p.x), p.y};
    const float skull =
        ellipse_distance(q, {0, -0.10f}, {0.90f * shape_.width, 0.72f * shape_.height});
    if (skull < -0.3f) return skull;  // so deep that nobody asks how deep
    const float cheek = ellipse_distance(
        q, {0.40f, 0.22f}, {0.60f * shape_.cheeks * shape_.width, 0.42f * shape_.cheeks});
    const float chin = ellipse_distance(q, {0, 0.42f}, {0.46f * shape_.muzzle, 0.40f});
    return smooth_min(smooth_min(skull, cheek, 0.25f), chin, 0.2f);
  }

  float distance(Vec2 p) const {
    const float d = smooth_distance(p);
    const float near = smoothstep(-0.12f, -0.01f, d);
    if (near == 0 || d > 0.2f) return d;
    // Tufts hang outwards and down: their comb leans with the height.
    const float angle = 5.2f * heading({std::fabs(p.x), p.y - 0.1f});
    const float uneven =
        0.5f * value_noise({angle * 1.7f + (p.x > 0 ? 9.0f : 0.0f), 0}, salt_ + 40);
    const float comb = zigzag(angle + uneven + 0.5f * d);
    const float low = smoothstep(0.0f, 0.35f, p.y) * smoothstep(0.3f, 0.6f, std::fabs(p.x));
    return d - near * (0.012f + shape_.fluff * low) * comb;
  }

 private:
  HeadShape shape_;
  std::uint32_t salt_;
};

/// One ear as the meeting of two discs: a pointed arch that stands on the skull.
class Ear {
 public:
  Ear(const CatTraits& cat, float side) : side_(side) {
    const EarShape& shape = cat.ears;
    const float wide = shape.width * (1.0f + 0.12f * side * cat.pose.yaw);
    const float tall = shape.folded ? 0.55f * shape.height : shape.height;
    const Vec2 inner{0.62f - 0.5f * wide, -0.50f}, outer{0.56f + 0.5f * wide, -0.16f};
    base_ = mix(inner, outer, 0.5f);
    tip_ = {0.70f + shape.splay, -0.64f - tall};
    left_edge_ = inner.x - 2 * shape.bulge,
    right_edge_ = std::max(outer.x, tip_.x) + 2 * shape.bulge;
    left_ = disc_through(inner, tip_, shape.bulge);
    right_ = disc_through(tip_, outer, shape.bulge);
  }

  Vec2 base() const { return base_; }
  Vec2 tip() const { return tip_; }
  /// To the right ear's coordinates, where side is always positive.
  Vec2 mirrored(Vec2 p) const { return {side_ * p.x, p.y}; }
  float distance(Vec2 q) const {
    return smooth_max(smooth_max(left_.distance(q), right_.distance(q), 0.10f), q.y, 0.01f);
  }
  /// The same outline drawn smaller around a point near the base.
  float inner_distance(Vec2 q, float size) const {
    const Vec2 around = mix(base_, tip_, 0.12f);
    return distance(around + (q - around) * (1.0f / size)) * size;
  }
  Box box() const {
    const float left = left_edge_, right = right_edge_, top = tip_.y;
    return side_ > 0 ? Box{{left, top}, {right, 0}} : Box{{-right, top}, {-left, 0}};
  }

 private:
  float side_;
  Vec2 base_, tip_;
  Disc left_, right_;
  float left_edge_, right_edge_;
};

class Painter {
 public:
  Painter(const CatTraits& cat, Canvas& canvas)
      : cat_(cat),
        canvas_(canvas),
        head_(cat),
        face_{cat.pose.center, cat.pose.scale, std::cos(cat.pose.roll), std::sin(cat.pose.roll)},
        pixel_(canvas.pixel(face_)) {}

  void paint() {
    paint_backdrop(cat_, canvas_);
    paint_body();
    for (const float side : {-1.0f, 1.0f})
      paint_ear(side);
    paint_head();
    paint_features(cat_, face_, canvas_);
    grade();
  }

 private:
  /// Fur under the light; `normal` points away from a surface that bulges towards the viewer.
  Color lit(Color fur, Vec2 normal) const {
    const Light& light = cat_.light;
    const float facing = std::sqrt(std::max(1.0f - dot(normal, normal), 0.0f));
    const float toward = dot(normal, light.direction) + 0.9f * facing - 0.75f;
    const float sheen = 0.10f * std::max(toward, 0.0f) * (1.0f - luminance(fur));
    return fur * (0.97f + light.strength * toward) + grey(sheen);
  }

  void paint_body() {
    Frame frame = face_;
    frame.cosine = 1, frame.sine = 0;  // shoulders stay level when the head tilts
    const auto distance = [&](Vec2 p) {
      return ellipse_distance({p.x, p.y}, {0, 1.55f}, {1.02f, 1.02f});
    };
    canvas_.fill(frame, {{-1.1f, 0.4f}, {1.1f, 1.6f}}, 0.02f, 1, distance, [&](Vec2 p, float d) {
      const Color fur = body_fur(cat_, p, pixel_);
      const float edge = smoothstep(-0.3f, 0.0f, d);
      return lit(fur, {0.6f * p.x, -0.2f}) * (0.92f - 0.14f * edge);
    });
    canvas_.fill(
        face_, {{-1.0f, 0.2f}, {1.0f, 1.2f}}, 0.45f, 0.42f,
        [&](Vec2 p) {
          return ellipse_distance(p, {0, 0.45f}, {0.82f, 0.50f});
        },
        kShadow);
  }

  void paint_ear(float side) {
    const Ear ear(cat_, side);
    const bool folded = cat_.ears.folded;
    canvas_.fill(
        face_, ear.box(), 0.012f, 1, [&](Vec2 p) { return ear.distance(ear.mirrored(p)); },
        [&](Vec2 p, float d) {
          const Color fur = lit(ear_fur(cat_, p, side, pixel_), {side * 0.3f, -0.3f});
          return fur * (1.0f - 0.14f * smoothstep(-0.10f, 0.0f, d));
        });
    if (folded) return paint_fold(ear);
    const Vec2 across = ear.base() - ear.tip();
    canvas_.fill(
        face_, ear.box(), 0.07f, 0.95f,
        [&](Vec2 p) { return ear.inner_distance(ear.mirrored(p), 0.70f); },
        [&](Vec2 p, float) {
          const float depth = dot(ear.mirrored(p) - ear.tip(), across) / dot(across, across);
          return cat_.coat.inner_ear * (1.06f - 0.42f * smoothstep(0.3f, 1.0f, depth));
        });
    if (cat_.ears.tufts > 0.3f) paint_tufts(ear, side);
  }

  /// The tip of a folded ear hangs forward: below its lower edge, a V, the ear lies in shadow.
  void paint_fold(const Ear& ear) {
    const Vec2 hanging = ear.tip() + Vec2{-0.10f, 0.34f};
    canvas_.fill(
        face_, ear.box(), 0.04f, 0.5f,
        [&](Vec2 p) {
          const Vec2 q = ear.mirrored(p);
          const float edge = hanging.y - 0.7f * std::fabs(q.x - hanging.x);
          return std::max(ear.distance(q) + 0.02f, 0.8f * (edge - q.y));
        },
        mix(cat_.coat.dark, kShadow, 0.5f));
  }

  /// Light hairs that rise from the inner edge of the ear.
  void paint_tufts(const Ear& ear, float side) {
    const Color hair = mix(cat_.coat.light, grey(1), 0.25f);
    const Vec2 root = mix(ear.base(), ear.tip(), 0.2f) + Vec2{-0.19f, -0.04f};
    for (int i = 0; i < 4; ++i) {
      const float t = static_cast<float>(i) / 3;
      const Vec2 from = root + Vec2{0.12f * t, 0.12f * t};
      const Vec2 to = from + Vec2{0.10f + 0.16f * t, -0.36f + 0.10f * t} * cat_.ears.tufts;
      const Vec2 via = mix(from, to, 0.5f) + Vec2{-0.05f, -0.02f};
      const auto place = [&](Vec2 p) { return Vec2{side * p.x, p.y}; };
      canvas_.curve(face_, {place(from), place(via), place(to)}, {0.06f, 0.01f, 0.7f, 0.07f}, hair);
    }
  }

  void paint_head() {
    canvas_.fill(
        face_, {{-1.25f, -0.95f}, {1.25f, 0.95f}}, 0.012f, 1,
        [&](Vec2 p) { return head_.distance(p); },
        [&](Vec2 p, float d) {
          const Color fur = head_fur(cat_, unturned(cat_.pose, p), pixel_);
          const Color bright = lit(fur, {0.85f * p.x, 0.95f * (p.y + 0.05f)});
          const float edge = smoothstep(-0.22f, 0.0f, d);
          const float under = smoothstep(0.35f, 0.85f, p.y);
          return bright * (1.0f - 0.10f * edge - 0.10f * under);
        });
  }

  /// The colour of the light and the darker corners, over everything.
  void grade() {
    const Light& light = cat_.light;
    const Color tint{1.0f + light.warmth, 1.0f, 1.0f - light.warmth};
    canvas_.map([&](Vec2 p, Color c) {
      const float along = 0.05f * dot(p, light.direction);
      const float corner = light.vignette * smoothstep(0.7f, 1.45f, length(p));
      const Color graded = c * (light.brightness * (1.0f + along) * (1.0f - corner));
      return Color{graded.r * tint.r, graded.g * tint.g, graded.b * tint.b};
    });
  }

  const CatTraits& cat_;
  Canvas& canvas_;
  Head head_;
  Frame face_;
  float pixel_;
};

}  // namespace

void paint_cat(const CatTraits& cat, Canvas& canvas) {
  Painter(cat, canvas).paint();
}

}  // namespace catgan
