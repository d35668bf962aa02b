#include "gpu_bench.h"

#include <whisker/kernels/check.h>

#ifdef WHISKER_CUDA
#include <whisker/core/autograd.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/random.h>
#include <whisker/kernels/cuda/matmul_choice.h>
#include <whisker/kernels/cuda/runtime.h>
#include <whisker/kernels/cudnn/availability.h>
#include <whisker/kernels/cudnn/matmul.h>
#include <whisker/kernels/matmul.h>

#include "gpu_report.h"

namespace whisker_bench {
namespace {

using whisker::Tensor;
namespace cuda = whisker::kernels::cuda;
namespace cudnn = whisker::kernels::cudnn;

GpuPeak measure_gpu_peak(const GpuOptions& options, cuda::Context& context, GpuTimer& timer) {
  constexpr int kRounds = 11;
  const std::int64_t size = options.product_size;
  const auto bytes = static_cast<std::size_t>(options.copy_mib) << 20;
  GpuPeak peak;
  {
    const auto from = context.allocate(bytes), to = context.allocate(bytes);
    const double us =
        timer.medians({[&] { cuda::copy_async(from.get(), to.get(), bytes, context); }}, kRounds)
            .at(0);
    peak.gbytes_per_second = 2.0 * static_cast<double>(bytes) / us * 1e-3;
  }
  with_element_type(options.dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const whisker::kernels::MatmulShape shape{size, size, size};
    const auto random = [&](std::uint64_t seed) {
      return cast(whisker::random_uniform({size, size}, -1, 1, {.seed = seed}),
                  whisker::dtype_of<T>);
    };
    const Tensor a = random(1), b = random(2);
    Tensor c = Tensor::empty({size, size}, whisker::dtype_of<T>);
    const T *a_data = a.kernel_data<T>(), *b_data = b.kernel_data<T>();
    T* c_data = c.kernel_mutable_data<T>();
    Body product = [&] {
      cuda::matmul(cuda::Backend::own, a_data, b_data, c_data, shape, context);
    };
    peak.product = "our own product";
    if constexpr (cudnn::kWithCudnn) {
      if (cudnn::cublas_available()) {
        product = [&] { cudnn::matmul(a_data, b_data, c_data, shape, context); };
        peak.product = "cuBLAS";
      }
    }
    peak.tflops = shape.flops() / timer.medians({product}, kRounds).at(0) * 1e-6;
  });
  return peak;
}

}  // namespace

bool bench_gpu(const std::vector<ConvCase>& convolutions, const GpuOptions& options) {
  const whisker::NoGrad no_grad;
  const whisker::DeviceScope scope(options.device);
  whisker::set_tf32(options.dtype == GpuDtype::tf32);
  cuda::Context& context = whisker::cuda_context(options.device.index);
  GpuTimer timer(context, static_cast<std::size_t>(options.flush_mib) << 20);
  GpuReport report(options, cuda::device_properties(options.device.index).name,
                   measure_gpu_peak(options, context, timer));
  const GpuSetting setting{options, context, timer, report};
  for (const ConvCase& c : convolutions)
    bench_gpu_convolution(c, setting);
  if (!options.tune_path.empty()) bench_gpu_backends(convolutions, setting);
  bench_gpu_images(setting);
  bench_gpu_others(setting);
  whisker::check<whisker::InputError>(!report.is_empty(), "--filter ", options.filter,
                                      ": no case has this in its name");
  return report.is_all_right();
}

}  // namespace whisker_bench

#else

namespace whisker_bench {

bool bench_gpu(const std::vector<ConvCase>&, const GpuOptions&) {
  throw whisker::Error(
      "this build has no CUDA; configure with -D WHISKER_CUDA=native, or give --device cpu");
}

}  // namespace whisker_bench

#endif  // WHISKER_CUDA
