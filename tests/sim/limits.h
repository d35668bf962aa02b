// Launches at the limits of a block.
#pragma once

#include "cuda/device_array.h"

namespace whisker::testing {

void launch_nothing(dim3 grid, dim3 block);
/// 1 if the kernel got so much dynamic shared memory, aligned.
int dynamic_shared(unsigned bytes);
/// Asks for more static shared memory than there is.
int large_static_shared();

}  // namespace whisker::testing
