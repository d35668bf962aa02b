#include "net_summary.h"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "nets.h"

namespace catgan {
namespace {

using namespace whisker;

std::string with_commas(std::int64_t value) {
  std::string text = std::to_string(value);
  for (std::ptrdiff_t at = std::ssize(text) - 3; at > 0; at -= 3)
    text.insert(static_cast<std::size_t>(at), ",");
  return text;
}

std::string mega(double flops) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f", flops / 1e6);
  return text;
}

struct Net {
  std::vector<nn::SummaryRow> rows;  // of the layers that hold no others
  std::int64_t parameters = 0;
  double flops = 0.0;  // of one forward of one picture
};

Net describe(nn::Module& module, const Shape& input) {
  Net net{{}, module.parameter_count(), 0.0};
  const std::vector<nn::SummaryRow> all = nn::summary(module, input);
  const auto holds_others = [&](const nn::SummaryRow& row) {
    return std::any_of(all.begin(), all.end(), [&](const nn::SummaryRow& other) {
      return other.path.starts_with(row.path + ".");
    });
  };
  for (const nn::SummaryRow& row : all) {
    if (holds_others(row)) continue;
    net.rows.push_back(row);
    net.flops += row.flops;
  }
  return net;
}

Net describe_generator(const Config& config) {
  nn::Init init(config.seed);
  return describe(*make_generator(config, init), {1, config.z_size});
}

Net describe_discriminator(const Config& config) {
  nn::Init init(config.seed);
  return describe(*make_discriminator(config, init), {1, config.size, config.size, 3});
}

double first_flops(const Net& net) {
  const auto works = [](const nn::SummaryRow& row) { return row.flops > 0.0; };
  const auto first = std::find_if(net.rows.begin(), net.rows.end(), works);
  return first == net.rows.end() ? 0.0 : first->flops;
}

double step_flops(const Config& config, const Net& g, const Net& d) {
  // Nobody wants the gradient in z, nor, in D's update, that in the pictures.
  return config.batch * (3.0 * g.flops - first_flops(g) + 8.0 * d.flops - 2.0 * first_flops(d));
}

void print(std::string& text, const Net& net, const std::string& title) {
  char line[200];
  text += title + "\n";
  const auto row = [&](const std::string& path, const std::string& layer, const std::string& shape,
                       const std::string& parameters, const std::string& flops) {
    std::snprintf(line, sizeof line, "  %-16s %-38s %-18s %12s %12s\n", path.c_str(), layer.c_str(),
                  shape.c_str(), parameters.c_str(), flops.c_str());
    text += line;
  };
  row("path", "layer", "output", "parameters", "MFLOP");
  for (const nn::SummaryRow& r : net.rows) {
    const bool holds_others = std::any_of(
        net.rows.begin(), net.rows.end(),
        [&](const nn::SummaryRow& other) { return other.path.starts_with(r.path + "."); });
    if (holds_others) continue;
    row(r.path, r.description, r.output.to_string(), with_commas(r.parameters), mega(r.flops));
  }
  row("total", "", "", with_commas(net.parameters), mega(net.flops));
}

}  // namespace

double step_flops(const Config& config) {
  return step_flops(config, describe_generator(config), describe_discriminator(config));
}

std::string net_summary(const Config& config) {
  const Net g = describe_generator(config), d = describe_discriminator(config);
  std::string text;
  print(text, g, "Generator, one picture, forward");
  text += "\n";
  print(text, d, "Discriminator, one picture, forward");
  char line[200];
  std::snprintf(line, sizeof line,
                "\nOne step at batch %d (updates of D and G, G's forward shared): %.2f GFLOP, "
                "%.2f for each picture\n",
                config.batch, step_flops(config, g, d) / 1e9,
                step_flops(config, g, d) / 1e9 / config.batch);
  return text + line;
}

}  // namespace catgan
