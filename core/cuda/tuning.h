// The file that says which kernel was measured to be the fastest for each problem on each device.
//
//   {"format": "whisker-tuning-1",
//    "devices": {"NVIDIA H200": {"conv2d": [
//      {"pass": "forward", "dtype": "bfloat16",
//       "batch": 64, "in_h": 32, "in_w": 32, "in_channels": 128, "out_channels": 256,
//       "kernel": [5, 5], "stride": [2, 2], "padding": [1, 2, 1, 2],
//       "backend": "own", "algorithm": "mma", "tile": "128x128", "splits": 1,
//       "microseconds": 71.3}],
//     "matmul": [
//      {"dtype": "tf32", "m": 64, "n": 65536, "k": 100,
//       "transpose_a": false, "transpose_b": true, "backend": "cublas", "microseconds": 12.5}],
//     "batch_norm": [
//      {"pass": "forward", "dtype": "float32", "rows": 262144, "channels": 128,
//       "leaky_relu": true, "backend": "own", "microseconds": 93.8}]}}}
//
// dtype is float32, tf32 (not of batch_norm) or bfloat16; padding is top, bottom, left, right;
// leaky_relu says whether there is one behind it. A backend is "own" or the library: "cublas" of
// matmul, "cudnn" of the others; with this, conv2d has an "engine" instead of algorithm, tile and
// splits. matmul and batch_norm may be missing. `whisker_bench --tune` writes the file; the
// environment variable WHISKER_TUNING names the one that is read when a device is first used.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <whisker/kernels/cuda/batch_norm_choice.h>
#include <whisker/kernels/cuda/conv2d_tuning.h>
#include <whisker/kernels/cuda/matmul_choice.h>

namespace whisker::inline v0_1 {

/// The rows of one device.
struct Tuning {
  std::vector<kernels::cuda::TunedConv2d> conv2d;
  std::vector<kernels::cuda::TunedMatmul> matmul;
  std::vector<kernels::cuda::TunedBatchNorm> batch_norm;
  friend bool operator==(const Tuning&, const Tuning&) = default;
};

/// No rows if the file has no such device. Throws InputError that names the source, the row and the
/// field if the text is not of this format.
Tuning parse_tuning(const std::string& text, const std::string& device, const std::string& source);

/// The text with the rows of one device replaced; an empty text has no devices yet.
std::string replace_tuning(const std::string& text, const std::string& device, const Tuning& rows,
                           const std::string& source);

/// parse_tuning() of a file. Throws IoError as well.
Tuning read_tuning(const std::filesystem::path& path, const std::string& device);

/// From now on the kernels on the device with this index are chosen by these rows.
void use_tuning(int device, const Tuning& rows);

}  // namespace whisker::inline v0_1
