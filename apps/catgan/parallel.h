// Independent pieces of work on all cores.
#pragma once

#include <cstddef>
#include <functional>

namespace catgan {

/// Calls work(i) once for every i < count, on up to `threads` threads (0: as many as kernels use),
/// the caller among them. report(done) is called on the caller's thread now and then and at the
/// end. The first exception of either stops the rest and is thrown to the caller.
void for_each_index(std::size_t count, int threads, const std::function<void(std::size_t)>& work,
                    const std::function<void(std::size_t)>& report = {});

}  // namespace catgan
