// The functions of cuDNN that whisker calls, as pointers that are set at run time.
#pragma once

#include <cudnn_graph.h>
#include <cudnn_ops.h>
#include <mutex>
#include <string_view>

#include <whisker/kernels/cuda/call_site.h>
#include <whisker/kernels/cuda/context.h>

namespace whisker::inline v0_1::kernels::cudnn {

struct CudnnApi {
  decltype(&cudnnGetVersion) get_version;
  decltype(&cudnnGetErrorString) get_error_string;
  decltype(&cudnnGetLastErrorString) get_last_error_string;
  decltype(&cudnnCreate) create;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendExecute) execute;
  // Of the older interface, by which cuDNN has batch norm for all shapes and compiled activations.
  decltype(&cudnnCreateTensorDescriptor) create_tensor;
  decltype(&cudnnDestroyTensorDescriptor) destroy_tensor;
  decltype(&cudnnSetTensor4dDescriptorEx) set_tensor;
  decltype(&cudnnCreateActivationDescriptor) create_activation;
  decltype(&cudnnDestroyActivationDescriptor) destroy_activation;
  decltype(&cudnnSetActivationDescriptor) set_activation;
  decltype(&cudnnActivationForward) activation_forward;
  decltype(&cudnnActivationBackward) activation_backward;
  decltype(&cudnnBatchNormalizationForwardTraining) batch_norm_forward_training;
  decltype(&cudnnBatchNormalizationForwardInference) batch_norm_forward_inference;
  decltype(&cudnnBatchNormalizationBackward) batch_norm_backward;
};

/// Throws Error with the reason if cuDNN cannot be used here.
const CudnnApi& cudnn_api();

/// Throws Error("<call>: <cuDNN's text> (<file>:<line>)") unless `status` is success.
void check_cudnn(cudnnStatus_t status, std::string_view call,
                 cuda::CallSite site = cuda::CallSite::here());

/// Held while plans and handles are used: a handle serves one thread at a time.
std::mutex& cudnn_mutex();

/// One handle for each device and stream, made at its first use and never destroyed: at exit the
/// driver may already be gone. Not to be used by two threads at once.
cudnnHandle_t cudnn_handle(const cuda::Context& context);

}  // namespace whisker::inline v0_1::kernels::cudnn
