#include <whisker/kernels/cpu/onednn.h>
#include <whisker/kernels/cpu/tanh.h>

namespace whisker::inline v0_1::kernels::cpu {

namespace {

void tanh_of_part(const float* x, float* y, std::int64_t n, Context& context) {
  static PrimitiveCache<dnnl::eltwise_forward, std::int64_t> cache;
  const dnnl::memory::desc row({n}, onednn_type<float>(), dnnl::memory::format_tag::a);
  const auto p = cache.get(n, [&] {
#if DNNL_VERSION_MAJOR >= 3
    return describe<dnnl::eltwise_forward>(dnnl::prop_kind::forward_training,
                                           dnnl::algorithm::eltwise_tanh, row, row);
#else
    return describe<dnnl::eltwise_forward>(dnnl::prop_kind::forward_training,
                                           dnnl::algorithm::eltwise_tanh, row);
#endif
  });
  p->run({{DNNL_ARG_SRC, view(row, x)}, {DNNL_ARG_DST, view(row, y)}}, context);
}

}  // namespace

void tanh_forward(const float* x, float* y, std::int64_t n, Context& context) {
  constexpr std::int64_t kGrain = 32768;
  with_onednn("tanh", str("[", n, "]"), [&] {
    parallel_for(n, kGrain, [&](std::int64_t begin, std::int64_t end) {
      tanh_of_part(x + begin, y + begin, end - begin, context);
    });
  });
}

}  // namespace whisker::inline v0_1::kernels::cpu
