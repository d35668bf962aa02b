#include <sys/mman.h>

#include <whisker/kernels/cpu/implementations.h>
#include <whisker/kernels/cpu/onednn.h>

namespace whisker::inline v0_1::kernels::cpu {
namespace {

struct ImplementationLog {
  std::mutex mutex;
  std::set<std::string> names;
};
ImplementationLog& implementation_log() {
  static ImplementationLog log;
  return log;
}

}  // namespace

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::stream& onednn_stream() {
  thread_local dnnl::stream stream(onednn_engine());
  return stream;
}

dnnl::primitive_attr user_scratchpad() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

Blocking blocking_of(const dnnl::memory::desc& desc) {
#if DNNL_VERSION_MAJOR >= 3
  return {desc.get_data_type(), desc.get_dims(),       desc.get_padded_dims(),
          desc.get_strides(),   desc.get_inner_blks(), desc.get_inner_idxs()};
#else
  const auto& layout = desc.data.format_desc.blocking;
  const auto list = [](const dnnl_dim_t* values, int count) {
    return dnnl::memory::dims(values, values + count);
  };
  return {desc.data_type(),
          desc.dims(),
          list(desc.data.padded_dims, desc.data.ndims),
          list(layout.strides, desc.data.ndims),
          list(layout.inner_blks, layout.inner_nblks),
          list(layout.inner_idxs, layout.inner_nblks)};
#endif
}

void note_implementation(const std::string& name) {
  ImplementationLog& log = implementation_log();
  const std::lock_guard lock(log.mutex);
  log.names.insert(name);
}

std::set<std::string> used_implementations() {
  ImplementationLog& log = implementation_log();
  const std::lock_guard lock(log.mutex);
  return log.names;
}

void check_room() {
  constexpr std::size_t kRoom = std::size_t{16} << 20;  // several times what a primitive takes
  void* const room =
      ::mmap(nullptr, kRoom, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check<OutOfMemory>(room != MAP_FAILED, "oneDNN: no memory for another kernel; use smaller nets");
  ::munmap(room, kRoom);
}

bool has_native_bfloat16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

std::string instruction_set() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::sse41:
      return "sse41";
    case dnnl::cpu_isa::avx:
      return "avx";
    case dnnl::cpu_isa::avx2:
      return "avx2";
    case dnnl::cpu_isa::avx2_vnni:
      return "avx2_vnni";
    case dnnl::cpu_isa::avx512_core:
      return "avx512_core";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "avx512_core_vnni";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "avx512_core_bf16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "avx512_core_amx";
    default:
      return "other";
  }
}

namespace {

void reorder_part(const dnnl::memory& from, const dnnl::memory& to, Context& context) {
  const OnednnOnOneThread one_thread;
  const dnnl::reorder::primitive_desc desc(from, to, user_scratchpad());
  const auto scratch_desc = desc.scratchpad_desc();
  const Buffer scratch = context.allocate(bytes_of(scratch_desc));
  dnnl::reorder(desc).execute(onednn_stream(),
                              {{DNNL_ARG_FROM, from},
                               {DNNL_ARG_TO, to},
                               {DNNL_ARG_SCRATCHPAD, view(scratch_desc, scratch.get())}});
  onednn_stream().wait();
}

}  // namespace

void reorder(const dnnl::memory& from, const dnnl::memory& to, Context& context) {
  check_room();
  constexpr std::size_t kLarge = std::size_t{1} << 20;  // bytes that one core soon copies
  constexpr std::int64_t kPart = 64;                    // a multiple of all blocks of oneDNN's
  const dnnl::memory::dims dims = blocking_of(from.get_desc()).dims;
  if (bytes_of(from.get_desc()) < kLarge || dims[0] <= kPart)
    return reorder_part(from, to, context);
  parallel_for(dims[0], kPart, [&](std::int64_t begin, std::int64_t end) {
    dnnl::memory::dims part = dims, offset(dims.size(), 0);
    part[0] = end - begin;
    offset[0] = begin;
    const auto part_of = [&](const dnnl::memory& whole) {
      return view(whole.get_desc().submemory_desc(part, offset), whole.get_data_handle());
    };
    reorder_part(part_of(from), part_of(to), context);
  });
}

}  // namespace whisker::inline v0_1::kernels::cpu
