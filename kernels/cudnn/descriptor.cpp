#include <string>

#include <whisker/kernels/check.h>
#include <whisker/kernels/cudnn/descriptor.h>

namespace whisker::inline v0_1::kernels::cudnn {

std::int64_t Descriptor::count_descriptors(cudnnBackendAttributeName_t name) const {
  std::int64_t count = 0;
  get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, count, nullptr);
  return count;
}

// cuDNN does not make the descriptors that it returns: it fills those that the caller has made.
std::vector<Descriptor> Descriptor::get_descriptors(cudnnBackendAttributeName_t name,
                                                    cudnnBackendDescriptorType_t type,
                                                    std::int64_t limit) const {
  std::vector<Descriptor> found;
  std::vector<cudnnBackendDescriptor_t> handles;
  for (std::int64_t i = 0; i < limit; ++i) {
    found.emplace_back(type);
    handles.push_back(found.back().get());
  }
  std::int64_t count = 0;
  if (limit > 0) get_raw(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, limit, count, handles.data());
  while (static_cast<std::int64_t>(found.size()) > count)
    found.pop_back();
  return found;
}

void Descriptor::set_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                         std::int64_t count, const void* values) {
  const cudnnStatus_t status = cudnn_api().set_attribute(get(), name, type, count, values);
  check_cudnn(status, str("cudnnBackendSetAttribute(", static_cast<int>(name), ")"));
}

void Descriptor::get_raw(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                         std::int64_t wanted, std::int64_t& count, void* values) const {
  const cudnnStatus_t status = cudnn_api().get_attribute(get(), name, type, wanted, &count, values);
  check_cudnn(status, str("cudnnBackendGetAttribute(", static_cast<int>(name), ")"));
}

}  // namespace whisker::inline v0_1::kernels::cudnn
