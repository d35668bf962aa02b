// The functions of cuDNN that whisker calls, as pointers that are set at run time.
#pragma once

#include <cudnn_graph.h>
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
};

/// Throws Error with the reason if cuDNN cannot be used here.
const CudnnApi& cudnn_api();

/// Throws Error("<call>: <cuDNN's text> (<file>:<line>)") unless `status` is success.
void check_cudnn(cudnnStatus_t status, std::string_view call,
                 cuda::CallSite site = cuda::CallSite::here());

/// One handle for each device and stream, made at its first use and never destroyed: at exit the
/// driver may already be gone. Not to be used by two threads at once.
cudnnHandle_t cudnn_handle(const cuda::Context& context);

}  // namespace whisker::inline v0_1::kernels::cudnn
