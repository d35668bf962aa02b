#include <array>

#include <whisker/kernels/cudnn/conv2d_engines.h>
#include <whisker/kernels/cudnn/conv2d_layout.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

using cuda::Conv2dMath;
using cuda::Conv2dPass;

template <class T>
std::span<const T> span_of(const std::array<T, 2>& values) {
  return values;
}

Descriptor convolution(const Conv2dLayout& layout) {
  Descriptor descriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
  descriptor.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, span_of(layout.pre_padding));
  descriptor.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, span_of(layout.post_padding));
  descriptor.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, span_of(layout.strides));
  descriptor.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, span_of(layout.dilations));
  descriptor.finalize();
  return descriptor;
}

/// The attributes' names differ by pass and mean the same.
struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t x, weight, y, convolution, alpha, beta;
};

OperationNames names_of(Conv2dPass pass) {
  switch (pass) {
    case Conv2dPass::forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case Conv2dPass::backward_data:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case Conv2dPass::backward_weight:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

/// cuDNN copies what it is given, so the parts may go.
Descriptor make_operation(const Conv2dProblem& problem) {
  const Conv2dLayout layout = conv2d_layout(problem.shape);
  const bool bfloat16 = problem.math == Conv2dMath::bfloat16;
  const cudnnDataType_t type = bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
  const OperationNames names = names_of(problem.pass);

  Descriptor operation(names.type);
  operation.set(names.x, make_tensor(kXId, type, layout.x));
  // This goes for results as well: no engine writes a float32 gradient of a bfloat16 product.
  operation.set(names.weight, make_tensor(kWeightId, type, layout.weight));
  operation.set(names.y, make_tensor(kYId, type, layout.y));
  operation.set(names.convolution, convolution(layout));
  operation.set(names.alpha, 1.0F);
  operation.set(names.beta, 0.0F);
  operation.finalize();
  return operation;
}

}  // namespace

std::string visit_plans(const Conv2dProblem& problem, const PlanTarget& target,
                        std::string_view wanted, const std::function<bool(ExecutionPlan)>& visit) {
  return visit_plans(make_graph(make_operation(problem), target), problem.math, target, wanted,
                     visit);
}

Descriptor make_variant_pack(const void* x, const void* weight, const void* y, void* workspace) {
  // The type of all is void*, whether they are read or written.
  const std::array<void*, 3> pointers{const_cast<void*>(x), const_cast<void*>(weight),
                                      const_cast<void*>(y)};
  const std::array<std::int64_t, 3> ids{kXId, kWeightId, kYId};
  return make_variant_pack(pointers, ids, workspace);
}

}  // namespace whisker::inline v0_1::kernels::cudnn
