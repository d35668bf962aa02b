// The file that says which kernel was measured to be the fastest for each problem on each device.
//
//   {"format": "whisker-tuning-1",
//    "devices": {"NVIDIA H200": {"conv2d": [
//      {"pass": "forward", "dtype": "bfloat16",
//       "batch": 64, "in_h": 32, "in_w": 32, "in_channels": 128, "out_channels": 256,
//       "kernel": [5, 5], "stride": [2, 2], "padding": [1, 2, 1, 2],
//       "backend": "own", "algorithm": "mma", "tile": "128x128", "splits": 1,
//       "microseconds": 71.3}]}}}
//
// dtype is float32, tf32 or bfloat16; padding is top, bottom, left, right. With backend "cudnn"
// there is an "engine" instead of algorithm, tile and splits. `whisker_bench --tune` writes it; the
// environment variable WHISKER_TUNING names the one that is read when a device is first used.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <whisker/kernels/cuda/conv2d_tuning.h>

namespace whisker::inline v0_1 {

/// The rows of one device, none if the file has no such device. Throws InputError that names the
/// source, the row and the field if the text is not of this format.
std::vector<kernels::cuda::TunedConv2d> parse_tuning(const std::string& text,
                                                     const std::string& device,
                                                     const std::string& source);

/// The text with the rows of one device replaced; an empty text has no devices yet.
std::string replace_tuning(const std::string& text, const std::string& device,
                           const std::vector<kernels::cuda::TunedConv2d>& rows,
                           const std::string& source);

/// parse_tuning() of a file. Throws IoError as well.
std::vector<kernels::cuda::TunedConv2d> read_tuning(const std::filesystem::path& path,
                                                    const std::string& device);

}  // namespace whisker::inline v0_1
