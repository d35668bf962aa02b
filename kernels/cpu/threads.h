// How many cores the CPU kernels use.
#pragma once

namespace whisker::inline v0_1::kernels::cpu {

/// The number of threads that kernels use from now on; throws Error if it is less than 1.
void set_threads(int count);
int threads();

}  // namespace whisker::inline v0_1::kernels::cpu
