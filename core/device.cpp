#include <atomic>
#include <charconv>

#include <whisker/core/backend.h>
#include <whisker/core/device.h>
#include <whisker/kernels/check.h>

namespace whisker::inline v0_1 {
namespace {

thread_local Device device_of_new_tensors;
std::atomic<bool> tf32{false};

/// The number after "cuda:", or -1.
int parse_index(const std::string& text) {
  constexpr std::string_view kPrefix = "cuda:";
  int index = -1;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + kPrefix.size(), end, index);
  return error == std::errc() && rest == end ? index : -1;
}

}  // namespace

#ifndef WHISKER_CUDA
int cuda_device_count() {
  return 0;
}
#endif

Device parse_device(const std::string& text) {
  if (text == "cpu") return Device::cpu();
  if (text == "auto") {
    if constexpr (kWithCuda && !kSimulated)
      return cuda_device_problem(0).empty() ? Device::cuda() : Device::cpu();
    return Device::cpu();
  }
  const int index = text == "cuda" ? 0 : text.starts_with("cuda:") ? parse_index(text) : -1;
  check<InputError>(index >= 0, "device: \"", text, "\" is none of auto, cpu, cuda, cuda:<index>");
  check<InputError>(kWithCuda, "device: this build has no CUDA, so ", text,
                    " cannot be used; configure with -D WHISKER_CUDA=native, or use cpu");
  if constexpr (kWithCuda) {
    const std::string problem = cuda_device_problem(index);
    check<InputError>(problem.empty(), "device: ", text, " cannot be used: ", problem,
                      "; see nvidia-smi, or use cpu");
  }
  return Device::cuda(index);
}

void set_tf32(bool allowed) {
  tf32 = allowed;
}
bool tf32_allowed() {
  return tf32;
}

Device default_device() {
  return device_of_new_tensors;
}

DeviceScope::DeviceScope(Device device) : previous_(device_of_new_tensors) {
  device_of_new_tensors = device;
}
DeviceScope::~DeviceScope() {
  device_of_new_tensors = previous_;
}

}  // namespace whisker::inline v0_1
