#include "drawing/cat_traits.h"

#include <array>
#include <numbers>

#include "whisker/core/random_sequence.h"

namespace catgan {
namespace {

using whisker::RandomSequence;

constexpr std::uint32_t kCatStream = 0x0ca7;  // keeps these numbers apart from training's

constexpr Color rgb(int r, int g, int b) {
  return {static_cast<float>(r) / 255, static_cast<float>(g) / 255, static_cast<float>(b) / 255};
}

bool chance(RandomSequence& random, float probability) {
  return random.uniform() < probability;
}

template <class T, std::size_t N>
const T& pick(RandomSequence& random, const std::array<T, N>& from) {
  return from[random.below(static_cast<std::uint32_t>(N))];
}

/// A normal number that never leaves [-2.5 sigma, 2.5 sigma].
float wobble(RandomSequence& random, float sigma) {
  return sigma * std::clamp(random.normal(), -2.5f, 2.5f);
}

Color jitter(RandomSequence& random, Color c, float amount) {
  const float level = 1.0f + wobble(random, amount), warm = wobble(random, 0.3f * amount);
  return {clamp01(c.r * level * (1 + warm)), clamp01(c.g * level),
          clamp01(c.b * level * (1 - warm))};
}

// ---- Coats ----

struct Dye {
  Color base, dark, light;
};

constexpr Color kWhite = rgb(246, 242, 236);
constexpr Dye kBlack{rgb(50, 47, 52), rgb(26, 24, 28), rgb(92, 88, 92)};
constexpr Dye kBlue{rgb(124, 132, 148), rgb(82, 90, 108), rgb(178, 184, 194)};
constexpr Dye kSilver{rgb(184, 184, 184), rgb(74, 74, 80), rgb(236, 235, 232)};
constexpr Dye kGinger{rgb(226, 152, 78), rgb(184, 98, 42), rgb(252, 226, 190)};
constexpr Dye kCream{rgb(240, 214, 174), rgb(214, 174, 126), rgb(253, 243, 226)};
constexpr Dye kBrown{rgb(158, 124, 90), rgb(74, 54, 42), rgb(222, 200, 170)};
constexpr Dye kGolden{rgb(202, 158, 98), rgb(92, 60, 36), rgb(244, 222, 180)};
constexpr Dye kChocolate{rgb(108, 74, 56), rgb(66, 44, 34), rgb(160, 124, 100)};
constexpr Dye kLilac{rgb(196, 178, 176), rgb(150, 130, 132), rgb(232, 220, 216)};
constexpr Dye kSnow{kWhite, rgb(206, 200, 196), rgb(255, 253, 250)};

void dye(RandomSequence& random, const Dye& from, Coat& coat) {
  coat.base = jitter(random, from.base, 0.06f);
  coat.dark = jitter(random, from.dark, 0.06f);
  coat.light = jitter(random, from.light, 0.03f);
}

void add_white(RandomSequence& random, Coat& coat) {
  coat.blaze = random.uniform(0.22f, 0.62f);
  coat.blaze_top = random.uniform(-1.0f, 0.75f);
}

void sample_plain(RandomSequence& random, Coat& coat) {
  dye(random,
      pick(random, std::array{kBlack, kBlack, kBlue, kBlue, kSnow, kSnow, kCream, kGinger,
                              kChocolate, kLilac}),
      coat);
  coat.lighter = random.uniform(0.0f, 0.35f);
}

void sample_tabby(RandomSequence& random, Coat& coat) {
  dye(random,
      pick(random, std::array{kGinger, kGinger, kBrown, kBrown, kSilver, kCream, kBlue, kGolden}),
      coat);
  coat.lighter = random.uniform(0.55f, 1.0f);
  coat.stripes = random.uniform(0.6f, 1.0f);
  if (chance(random, 0.3f)) add_white(random, coat);
}

void sample_bicolour(RandomSequence& random, Coat& coat) {
  dye(random, pick(random, std::array{kBlack, kBlack, kBlue, kGinger, kChocolate, kCream}), coat);
  add_white(random, coat);
}

void sample_calico(RandomSequence& random, Coat& coat) {
  const bool tortoiseshell = chance(random, 0.3f);
  dye(random, tortoiseshell ? kBlack : kSnow, coat);
  coat.dark = jitter(random, chance(random, 0.75f) ? kBlack.base : kBlue.base, 0.06f);
  coat.patch = jitter(random, chance(random, 0.75f) ? kGinger.base : kCream.dark, 0.06f);
  coat.patches = 1;
  coat.patch_size = tortoiseshell ? random.uniform(0.22f, 0.4f) : random.uniform(0.6f, 0.9f);
  if (!tortoiseshell || chance(random, 0.3f)) add_white(random, coat);
  if (!tortoiseshell) coat.blaze_top = std::max(coat.blaze_top, -0.2f);
}

void sample_points(RandomSequence& random, Coat& coat) {
  dye(random, kCream, coat);
  coat.base = jitter(random, mix(kCream.light, kCream.base, random.uniform(0.0f, 0.7f)), 0.03f);
  coat.dark = jitter(random,
                     pick(random, std::array{rgb(78, 58, 50), rgb(78, 58, 50), rgb(118, 88, 72),
                                             rgb(112, 116, 128), rgb(206, 138, 88)}),
                     0.06f);
  coat.points = random.uniform(0.75f, 1.0f);
}

void sample_spotted(RandomSequence& random, Coat& coat) {
  dye(random, pick(random, std::array{kGolden, kSilver, kBrown}), coat);
  coat.lighter = random.uniform(0.5f, 1.0f);
  coat.spots = random.uniform(0.7f, 1.0f);
  coat.stripes = random.uniform(0.15f, 0.4f);
}

Coat sample_coat(RandomSequence& random) {
  Coat coat;
  coat.white = jitter(random, kWhite, 0.02f);
  const float kind = random.uniform();
  if (kind < 0.24f)
    sample_plain(random, coat);
  else if (kind < 0.55f)
    sample_tabby(random, coat);
  else if (kind < 0.74f)
    sample_bicolour(random, coat);
  else if (kind < 0.84f)
    sample_calico(random, coat);
  else if (kind < 0.93f)
    sample_points(random, coat);
  else
    sample_spotted(random, coat);

  coat.texture = random.uniform(0.35f, 1.0f);
  const float depth = luminance(coat.base);
  const Color pink = rgb(232, 158, 150);
  coat.inner_ear =
      jitter(random, mix(mix(coat.base, coat.dark, 0.3f), pink, 0.45f + 0.4f * depth), 0.05f);
  const bool pink_nose = chance(random, coat.blaze > 0 ? 0.75f : 0.25f + 0.4f * depth);
  coat.nose = pink_nose ? jitter(random, rgb(226, 134, 132), 0.06f)
                        : pick(random, std::array{rgb(44, 38, 40), rgb(120, 72, 64)});
  return coat;
}

// ---- Features ----

Eyes sample_eyes(RandomSequence& random, const Coat& coat) {
  static constexpr std::array kIris{rgb(136, 178, 78), rgb(104, 164, 92), rgb(182, 192, 76),
                                    rgb(232, 196, 66), rgb(240, 208, 96), rgb(220, 148, 48),
                                    rgb(196, 112, 48), rgb(150, 150, 78)};
  static constexpr std::array kBlueIris{rgb(92, 156, 220), rgb(132, 188, 236), rgb(74, 128, 202)};
  Eyes eyes;
  const bool pale = luminance(coat.base) > 0.8f;
  const bool blue = coat.points > 0 || chance(random, pale ? 0.35f : 0.06f);
  eyes.left = jitter(random, blue ? pick(random, kBlueIris) : pick(random, kIris), 0.06f);
  eyes.right = eyes.left;
  if (chance(random, pale && coat.points == 0 ? 0.15f : 0.012f))
    (chance(random, 0.5f) ? eyes.left : eyes.right) =
        blue ? pick(random, kIris) : pick(random, kBlueIris);
  eyes.distance = 0.41f + wobble(random, 0.018f);
  eyes.height = -0.02f + wobble(random, 0.03f);
  eyes.size = 0.235f + wobble(random, 0.014f);
  eyes.opening = std::min(0.88f + wobble(random, 0.09f), 1.02f);
  eyes.roundness = random.uniform(0.15f, 0.95f);
  eyes.tilt = random.uniform(0.02f, 0.28f) * (1.1f - 0.5f * eyes.roundness);
  eyes.pupil = random.uniform(0.16f, 1.0f);
  eyes.gaze.x = wobble(random, 0.35f);
  eyes.gaze.y = wobble(random, 0.25f);
  return eyes;
}

EarShape sample_ears(RandomSequence& random) {
  EarShape ears;
  ears.height = 0.60f + wobble(random, 0.07f);
  ears.width = 0.66f + wobble(random, 0.05f);
  ears.splay = wobble(random, 0.08f);
  ears.bulge = random.uniform(0.04f, 0.11f);
  ears.tufts = random.uniform();
  ears.folded = chance(random, 0.05f);
  return ears;
}

Mouth sample_mouth(RandomSequence& random) {
  Mouth mouth;
  mouth.width = 0.19f + wobble(random, 0.02f);
  mouth.smile = random.uniform(-0.01f, 0.06f);
  if (chance(random, 0.08f)) mouth.open = random.uniform(0.5f, 1.0f);
  mouth.nose = 0.13f + wobble(random, 0.012f);
  return mouth;
}

Whiskers sample_whiskers(RandomSequence& random) {
  Whiskers whiskers;
  whiskers.count = 2 + static_cast<int>(random.below(3));
  whiskers.length = random.uniform(0.6f, 0.95f);
  whiskers.droop = wobble(random, 0.12f);
  whiskers.strength = random.uniform(0.55f, 0.95f);
  return whiskers;
}

HeadShape sample_head(RandomSequence& random) {
  HeadShape head;
  head.width = 1.0f + wobble(random, 0.04f);
  head.height = 1.01f + wobble(random, 0.045f);
  head.cheeks = 1.0f + wobble(random, 0.06f);
  head.fluff = chance(random, 0.6f) ? random.uniform(0.03f, 0.14f) : 0.02f;
  head.muzzle = 1.0f + wobble(random, 0.06f);
  return head;
}

Pose sample_pose(RandomSequence& random) {
  Pose pose;
  pose.center.x = wobble(random, 0.035f);
  pose.center.y = 0.19f + wobble(random, 0.03f);
  pose.scale = 0.76f + wobble(random, 0.025f);
  pose.roll = wobble(random, 0.085f);
  pose.yaw = wobble(random, 0.38f);
  pose.pitch = wobble(random, 0.35f);
  return pose;
}

// ---- Surroundings ----

Color from_hsv(float hue, float saturation, float value) {
  const auto channel = [&](float shift) {
    const float k = std::fmod(hue * 6.0f + shift, 6.0f);
    return value * (1.0f - saturation * clamp01(std::min(k, 4.0f - k)));
  };
  return {channel(5), channel(3), channel(1)};
}

Light sample_light(RandomSequence& random) {
  Light light;
  const float angle = random.uniform(-1.2f, 1.2f) - std::numbers::pi_v<float> / 2;
  light.direction = {std::cos(angle), std::sin(angle)};
  light.strength = random.uniform(0.08f, 0.26f);
  light.brightness = 1.0f + wobble(random, 0.045f);
  light.warmth = wobble(random, 0.035f);
  light.vignette = random.uniform(0.0f, 0.22f);
  return light;
}

Backdrop sample_backdrop(RandomSequence& random, const Coat& coat) {
  Backdrop backdrop;
  backdrop.kind =
      static_cast<BackdropKind>(random.below(static_cast<std::uint32_t>(BackdropKind::kCount)));
  // Red, orange, yellow, sage, teal, sky, blue, lavender, rose: the calm ones more often.
  static constexpr std::array kHues{0.02f, 0.06f, 0.08f, 0.11f, 0.13f, 0.24f, 0.38f, 0.46f,
                                    0.52f, 0.56f, 0.58f, 0.60f, 0.62f, 0.70f, 0.94f};
  const float hue = pick(random, kHues) + random.uniform(0.0f, 0.03f);
  const float saturation = random.uniform(0.10f, 0.34f);
  // The coat must stand out: a pale cat gets a deeper backdrop, a dark one a lighter.
  const float depth = luminance(coat.base);
  float value = depth > 0.62f ? random.uniform(0.42f, 0.72f) : random.uniform(0.68f, 0.94f);
  if (depth > 0.3f && depth < 0.5f && chance(random, 0.35f)) value = random.uniform(0.2f, 0.32f);
  backdrop.first = from_hsv(hue, saturation, value);
  const float turn = hue + 1.0f + wobble(random, 0.07f);
  backdrop.second = from_hsv(turn - std::floor(turn), saturation * random.uniform(0.6f, 1.2f),
                             clamp01(value * random.uniform(0.74f, 1.12f)));
  backdrop.level = random.uniform(0.1f, 0.6f);
  backdrop.angle = random.uniform(-0.9f, 0.9f);
  return backdrop;
}

}  // namespace

CatTraits sample_cat(std::uint64_t seed, std::uint32_t index) {
  RandomSequence random({.seed = seed, .stream = kCatStream, .step = index});
  CatTraits cat;
  cat.salt = random.next();
  cat.pose = sample_pose(random);
  cat.head = sample_head(random);
  cat.ears = sample_ears(random);
  cat.coat = sample_coat(random);
  cat.eyes = sample_eyes(random, cat.coat);
  cat.mouth = sample_mouth(random);
  cat.whiskers = sample_whiskers(random);
  cat.light = sample_light(random);
  cat.backdrop = sample_backdrop(random, cat.coat);
  return cat;
}

}  // namespace catgan
