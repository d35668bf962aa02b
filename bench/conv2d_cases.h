// The convolutions that are timed.
#pragma once

#include <string>
#include <vector>

#include <whisker/kernels/conv2d.h>

namespace whisker_bench {

struct ConvCase {
  std::string name;
  whisker::kernels::Conv2dShape shape;
};

/// The article's layers, for pictures of another size and nets of other widths too. Transposed
/// layers (T) are named by the convolution whose adjoint they are, so their input is its output.
std::vector<ConvCase> article_convolutions(int batch, int image_size, int divide_widths);

/// "N,H,W,C,O,R,S,stride", with SAME padding, or with ",top,bottom,left,right" behind it. Throws
/// InputError.
ConvCase parse_convolution(const std::string& text);

}  // namespace whisker_bench
