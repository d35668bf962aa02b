// What the oneDNN kernels share: engine, stream, memory, and a cache of primitives. Each primitive
// runs on the thread that calls it; kernels cut their work into tasks by its shape alone, so that
// results do not depend on the number of threads.
// Private to kernels/cpu: the only place that includes <dnnl.hpp>. Works with oneDNN 2.6 and 3.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <type_traits>
#include <unordered_map>
#include <utility>

#include <whisker/kernels/bfloat16.h>
#include <whisker/kernels/check.h>
#include <whisker/kernels/context.h>
#include <whisker/kernels/cpu/onednn_threads.h>
#include <whisker/kernels/cpu/parallel.h>

namespace whisker::inline v0_1::kernels::cpu {

const dnnl::engine& onednn_engine();
dnnl::stream& onednn_stream();

template <class T>
constexpr dnnl::memory::data_type onednn_type() {
  if constexpr (std::is_same_v<T, bfloat16>) return dnnl::memory::data_type::bf16;
  return dnnl::memory::data_type::f32;
}

/// Primitives keep their scratchpad in memory that the caller passes.
dnnl::primitive_attr user_scratchpad();

/// The descriptor of a primitive; `hint` is the forward descriptor that oneDNN wants for a
/// backward one.
template <class Primitive, class... Args>
auto describe(Args&&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(onednn_engine(), std::forward<Args>(args)...,
                                            user_scratchpad());
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(std::forward<Args>(args)...),
                                            user_scratchpad(), onednn_engine());
#endif
}
template <class Primitive, class Hint, class... Args>
auto describe_backward(const Hint& hint, Args&&... args) {
#if DNNL_VERSION_MAJOR >= 3
  return typename Primitive::primitive_desc(onednn_engine(), std::forward<Args>(args)..., hint,
                                            user_scratchpad());
#else
  return typename Primitive::primitive_desc(typename Primitive::desc(std::forward<Args>(args)...),
                                            user_scratchpad(), onednn_engine(), hint);
#endif
}

/// A view of memory that somebody else owns; oneDNN's handles are not const.
inline dnnl::memory view(const dnnl::memory::desc& desc, const void* data) {
  return dnnl::memory(desc, onednn_engine(), const_cast<void*>(data));
}

inline std::size_t bytes_of(const dnnl::memory::desc& desc) {
  return desc.get_size();
}

/// A layout in oneDNN's terms: strides are those of the blocks, inner_blks the sizes of the blocks
/// from the outermost in, inner_idxs the axes that they cut.
struct Blocking {
  dnnl::memory::data_type type;
  dnnl::memory::dims dims, padded_dims, strides, inner_blks, inner_idxs;
};
Blocking blocking_of(const dnnl::memory::desc& desc);

/// Notes which implementation oneDNN picked, for used_implementations().
void note_implementation(const std::string& name);

/// Throws OutOfMemory where oneDNN, which writes code without looking whether it got the memory
/// for it, would crash.
void check_room();

/// A primitive with its descriptor, made once per key.
template <class Primitive>
struct CachedPrimitive {
  typename Primitive::primitive_desc desc;
  Primitive primitive;

  explicit CachedPrimitive(typename Primitive::primitive_desc d)
      : desc(std::move(d)), primitive(desc) {
    note_implementation(desc.impl_info_str());
  }

  /// Runs it on the given arguments with scratchpad memory from the context.
  void run(std::unordered_map<int, dnnl::memory> arguments, Context& context) const {
    const OnednnOnOneThread one_thread;
    const auto scratch_desc = desc.scratchpad_desc();
    const Buffer scratch = context.allocate(bytes_of(scratch_desc));
    arguments.emplace(DNNL_ARG_SCRATCHPAD, view(scratch_desc, scratch.get()));
    primitive.execute(onednn_stream(), arguments);
    onednn_stream().wait();
  }
};

/// Looks a primitive up by its key.
template <class Primitive, class Key>
class PrimitiveCache {
 public:
  template <class Make>
  std::shared_ptr<const CachedPrimitive<Primitive>> get(const Key& key, const Make& make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(key); found != entries_.end()) return found->second;
    check_room();
    const OnednnOnOneThread one_thread;
    auto made = std::make_shared<const CachedPrimitive<Primitive>>(make());
    // A program that keeps changing its shapes must not keep every primitive it ever used.
    constexpr std::size_t kMaxEntries = 1024;
    if (entries_.size() > kMaxEntries) entries_.clear();
    return entries_[key] = made;
  }

 private:
  std::mutex mutex_;
  std::map<Key, std::shared_ptr<const CachedPrimitive<Primitive>>> entries_;
};

/// Copies between two layouts or element types of the same logical tensor, large ones in parts of
/// their first axis on all threads.
void reorder(const dnnl::memory& from, const dnnl::memory& to, Context& context);

/// Runs body and turns oneDNN's exceptions into Error that names the op and its shape.
template <class Body>
void with_onednn(const char* op, const std::string& shape, const Body& body) {
  try {
    body();
  } catch (const dnnl::error& e) {
    const std::string message = str(op, " ", shape, ": oneDNN: ", e.what());
    if (e.status == dnnl_out_of_memory) throw OutOfMemory(message);
    throw Error(message);
  }
}

}  // namespace whisker::inline v0_1::kernels::cpu
