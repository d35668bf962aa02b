#include <whisker/kernels/cuda/error.h>
#include <whisker/kernels/cuda/tensor_map.h>

namespace whisker::inline v0_1::kernels::cuda {
namespace {

constexpr std::uint64_t kElementBytes = 2, kSwizzleBytes = 128;

void validate(const TensorMapShape& shape, const CallSite& site) {
  const auto require = [&](bool condition, const char* rule) {
    check(condition, "make_tensor_map: ", rule, " (", site, ")");
  };
  require(shape.rank >= 2 && shape.rank <= 5, "a rank is 2 to 5");
  require(reinterpret_cast<std::uintptr_t>(shape.base) % 16 == 0, "the base is 16-byte aligned");
  require(shape.box[0] * kElementBytes <= kSwizzleBytes, "box[0] is at most the swizzle's 128 bytes");
  require(shape.box[0] * kElementBytes % 16 == 0, "box[0] is a multiple of 16 bytes");
  for (std::size_t i = 0; i < static_cast<std::size_t>(shape.rank); ++i) {
    require(shape.size[i] >= 1, "sizes are at least 1");
    require(shape.box[i] >= 1 && shape.box[i] <= 256, "boxes are 1 to 256 elements");
    require(i == 0 || shape.stride[i] % 16 == 0, "strides are multiples of 16 bytes");
  }
}

}  // namespace

#ifdef WHISKER_SIM

CUtensorMap make_tensor_map(const TensorMapShape& shape, CallSite site) {
  validate(shape, site);
  CUtensorMap map{};
  map.base = static_cast<unsigned char*>(const_cast<void*>(shape.base));
  map.size.fill(1);
  map.box.fill(1);
  for (std::size_t i = 0; i < static_cast<std::size_t>(shape.rank); ++i) {
    map.size[i] = shape.size[i];
    map.stride[i] = i == 0 ? kElementBytes : shape.stride[i];
    map.box[i] = shape.box[i];
  }
  return map;
}

#else

CUtensorMap make_tensor_map(const TensorMapShape& shape, CallSite site) {
  validate(shape, site);
  // From the driver at run time, so that nothing need be linked with it.
  using Encode = decltype(&cuTensorMapEncodeTiled);
  static const auto encode = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult found{};
    check_cuda(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                                cudaEnableDefault, &found),
               "make_tensor_map: cuTensorMapEncodeTiled");
    check(found == cudaDriverEntryPointSuccess,
          "make_tensor_map: the driver has no tensor maps; it must be of CUDA 12 or later");
    return reinterpret_cast<Encode>(function);
  }();
  CUtensorMap map{};
  const std::array<std::uint32_t, 5> steps{1, 1, 1, 1, 1};
  const CUresult result = encode(
      &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, static_cast<cuuint32_t>(shape.rank),
      const_cast<void*>(shape.base), shape.size.data(), shape.stride.data() + 1, shape.box.data(),
      steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  check(result == CUDA_SUCCESS, "make_tensor_map: cuTensorMapEncodeTiled: error ",
        static_cast<int>(result), " (", site, ")");
  return map;
}

#endif

}  // namespace whisker::inline v0_1::kernels::cuda
