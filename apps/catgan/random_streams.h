// What catgan draws random numbers for. Streams of one seed are independent; two uses of one stream
// would give the same numbers. Others are taken by the initial values of parameters
// (layers/init.h), the shuffling of pictures (dataset.cpp) and the drawn cats (cat_traits.cpp).
#pragma once

#include <cstdint>

namespace catgan {

inline constexpr std::uint32_t kTrainingNoiseStream = 0x5A54524E;  // step: the training step
inline constexpr std::uint32_t kFixedNoiseStream = 0x5A464958;     // of the grids made in training
inline constexpr std::uint32_t kSampleNoiseStream = 0x5A534D50;    // step: the picture's index
inline constexpr std::uint32_t kFlipStream = 0x464C4950;           // step: the training step

}  // namespace catgan
