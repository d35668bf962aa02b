#include "conv2d_cases.h"

#include <algorithm>
#include <charconv>

#include <whisker/kernels/check.h>

namespace whisker_bench {
namespace {

using whisker::InputError;
using whisker::kernels::Conv2dShape;
using whisker::kernels::Padding;

struct Layer {
  const char* name;
  int in_channels, out_channels, stride, in_size;
};

/// At 128x128.
constexpr Layer kLayers[] = {
    {"D1 3->64 /2", 3, 64, 2, 128},        {"D2 64->128 /2", 64, 128, 2, 64},
    {"D3 128->256 /2", 128, 256, 2, 32},   {"D4 256->512 /1", 256, 512, 1, 16},
    {"D5 512->1024 /2", 512, 1024, 2, 16}, {"G1 T1024->512 /2", 512, 1024, 2, 16},
    {"G2 T512->256 /2", 256, 512, 2, 32},  {"G3 T256->128 /2", 128, 256, 2, 64},
    {"G4 T128->64 /2", 64, 128, 2, 128},   {"G5 T64->3 /1", 3, 64, 1, 128}};

int width(int channels, int divide) {
  return channels == 3 ? 3 : std::max(channels / divide, 1);
}

Conv2dShape same_shape(std::int64_t batch, std::int64_t h, std::int64_t w, std::int64_t in,
                       std::int64_t out, int kernel_h, int kernel_w, int stride) {
  return {.batch = batch,
          .in_h = h,
          .in_w = w,
          .in_channels = in,
          .out_channels = out,
          .kernel_h = kernel_h,
          .kernel_w = kernel_w,
          .stride_h = stride,
          .stride_w = stride,
          .padding = Padding::same(h, w, kernel_h, kernel_w, stride, stride)};
}

}  // namespace

std::vector<ConvCase> article_convolutions(int batch, int image_size, int divide_widths) {
  std::vector<ConvCase> cases;
  for (const Layer& layer : kLayers) {
    const std::int64_t size = std::int64_t{layer.in_size} * image_size / 128;
    cases.push_back(
        {layer.name, same_shape(batch, size, size, width(layer.in_channels, divide_widths),
                                width(layer.out_channels, divide_widths), 5, 5, layer.stride)});
  }
  return cases;
}

ConvCase parse_convolution(const std::string& text) {
  std::vector<int> v;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    int value = 0;
    const auto [rest, error] = std::from_chars(at, end, value);
    if (error != std::errc() || (rest != end && *rest != ',') || rest + 1 == end) break;
    v.push_back(value);
    at = rest == end ? end : rest + 1;
  }
  whisker::check<InputError>(at == end && (v.size() == 8 || v.size() == 12), "--shape ", text,
                             ": give N,H,W,C,O,R,S,stride[,top,bottom,left,right]");
  whisker::check<InputError>(v[7] > 0, "--shape ", text, ": the stride must be positive");
  Conv2dShape shape = same_shape(v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]);
  if (v.size() == 12) shape.padding = {v[8], v[9], v[10], v[11]};
  shape.validate();
  return {text, shape};
}

}  // namespace whisker_bench
