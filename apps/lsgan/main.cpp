// A small GAN on the library alone: it learns to draw rings and squares of 16x16 pixels with the
// least squares loss of Mao et al. 2017, in half a minute on a laptop.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iomanip>
#include <iostream>

#include <whisker/layers/nn.h>
#include <whisker/optim/adam.h>

using namespace whisker;
using Activation = nn::ConvBlockOptions::Activation;

constexpr std::int64_t kSize = 16, kNoise = 16, kBatch = 32;
enum Stream : std::uint32_t { kShapes, kNoiseForTraining, kNoiseForSamples };

/// Rings and squares, anywhere and of any size, 1 on -1: [count, 16, 16, 1].
Tensor draw_shapes(std::int64_t count, RandomKey key) {
  RandomSequence random(key);
  Tensor images = Tensor::empty({count, kSize, kSize, 1});
  float* pixel = images.mutable_data<float>();
  for (std::int64_t i = 0; i < count; ++i) {
    const bool ring = random.below(2) == 0;
    const float radius = random.uniform(3.0f, 5.5f);
    const float centre_x = random.uniform(6.5f, 8.5f), centre_y = random.uniform(6.5f, 8.5f);
    for (int row = 0; row < kSize; ++row)
      for (int column = 0; column < kSize; ++column) {
        const float x = std::abs(static_cast<float>(column) - centre_x);
        const float y = std::abs(static_cast<float>(row) - centre_y);
        const float distance = std::abs((ring ? std::hypot(x, y) : std::max(x, y)) - radius);
        *pixel++ = 2.0f * std::clamp(1.5f - distance, 0.0f, 1.0f) - 1.0f;
      }
  }
  return images;
}

nn::Sequential make_generator(nn::Init& init) {
  nn::Sequential g;
  g.add("fc", nn::Dense({.in = kNoise, .out = 4 * 4 * 32}, init));
  g.add("as_image", nn::Reshape(4, 4, 32));
  g.add("activation", nn::LeakyRelu());
  g.add("up1", nn::ConvBlock({.conv = {.in_channels = 32, .out_channels = 16, .stride = 2},
                              .transposed = true},
                             init));
  g.add("up2", nn::ConvTranspose2d({.in_channels = 16, .out_channels = 1, .stride = 2}, init));
  g.add("pixels", nn::Tanh());
  g.set_name("g");
  return g;
}

nn::Sequential make_discriminator(nn::Init& init) {
  nn::Sequential d;
  d.add("down1", nn::ConvBlock({.conv = {.in_channels = 1, .out_channels = 16, .stride = 2},
                                .activation = Activation::leaky_relu},
                               init));
  d.add("down2",
        nn::ConvBlock({.conv = {.in_channels = 16, .out_channels = 32, .stride = 2}}, init));
  d.add("flatten", nn::Flatten());
  d.add("score", nn::Dense({.in = 4 * 4 * 32, .out = 1}, init));
  d.set_name("d");
  return d;
}

/// Pictures side by side, as text and as a PGM file.
void show(const Tensor& images, const std::string& path) {
  const auto values = images.to_vector<float>();
  const std::int64_t width = images.dim(0) * kSize;
  std::ofstream file(path, std::ios::binary);
  file << "P5\n" << width << ' ' << kSize << "\n255\n";
  for (std::int64_t row = 0; row < kSize; ++row) {
    for (std::int64_t column = 0; column < width; ++column) {
      const std::int64_t image = column / kSize, x = column % kSize;
      const float light =
          0.5f + 0.5f * values[static_cast<std::size_t>((image * kSize + row) * kSize + x)];
      file.put(static_cast<char>(std::lround(255.0f * light)));
      std::cout << " .:-=+*#@@"[static_cast<int>(9.0f * light)];
    }
    std::cout << '\n';
  }
  check<IoError>(bool(file.flush()), path, ": cannot be written");
}

void train(std::uint32_t steps, std::uint64_t seed, const std::string& path) {
  nn::Init init(seed);
  nn::Sequential g = make_generator(init), d = make_discriminator(init);
  optim::Adam update_g(g.parameters(), {.learning_rate = 1e-3, .beta1 = 0.5});
  optim::Adam update_d(d.parameters(), {.learning_rate = 1e-3, .beta1 = 0.5});
  const auto noise = [&](std::int64_t count, Stream stream, std::uint32_t step) {
    return random_normal({count, kNoise}, 0.0f, 1.0f, {seed, stream, step});
  };

  for (std::uint32_t step = 1; step <= steps; ++step) {
    const Tensor real = draw_shapes(kBatch, {seed, kShapes, step});
    const Tensor fake = g(noise(kBatch, kNoiseForTraining, step));

    update_d.zero_grad();
    const Tensor loss_d =
        nn::least_squares(d(real), 1.0) + nn::least_squares(d(fake.detach()), 0.0);
    loss_d.backward();
    update_d.step();

    update_g.zero_grad();
    const nn::Frozen frozen(d);
    const Tensor loss_g = nn::least_squares(d(fake), 1.0);
    loss_g.backward();
    update_g.step();

    if (step % 200 == 0 || step == steps)
      std::cout << "step " << std::setw(5) << step << "  loss D " << loss_d.item() << "  loss G "
                << loss_g.item() << std::endl;
  }
  g.eval();
  const NoGrad no_grad;
  show(g(noise(6, kNoiseForSamples, 0)), path);
}

int main(int argc, char** argv) {
  std::uint32_t numbers[] = {3000, 1};  // steps and seed
  for (int i = 1; i < std::min(argc, 3); ++i) {
    const char* end = argv[i] + std::strlen(argv[i]);
    if (const auto parsed = std::from_chars(argv[i], end, numbers[i - 1]);
        argc > 4 || parsed.ec != std::errc() || parsed.ptr != end) {
      std::cerr << "usage: lsgan [STEPS [SEED [SAMPLES.pgm]]]\n";
      return 2;
    }
  }
  try {
    std::cout << std::fixed << std::setprecision(3);
    train(numbers[0], numbers[1], argc > 3 ? argv[3] : "rings_and_squares.pgm");
  } catch (const IoError& error) {
    std::cerr << "lsgan: " << error.what() << '\n';
    return 4;
  } catch (const std::exception& error) {
    std::cerr << "lsgan: " << error.what() << '\n';
    return 1;
  }
}
