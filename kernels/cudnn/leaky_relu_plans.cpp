#include <whisker/kernels/cudnn/leaky_relu_plans.h>

namespace whisker::inline v0_1::kernels::cudnn {
namespace {

Descriptor make_operation(const LeakyReluProblem& p) {
  Descriptor function(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  function.set(CUDNN_ATTR_POINTWISE_MODE,
               p.backward ? CUDNN_POINTWISE_RELU_BWD : CUDNN_POINTWISE_RELU_FWD);
  function.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
  function.set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, p.slope);
  function.finalize();

  // One pixel of n channels: engines want more than one channel and neighbours in memory.
  const auto array = [&](std::int64_t id) {
    return make_tensor(id, p.type, nhwc_layout(1, 1, 1, p.n), p.alignment);
  };
  Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, function);
  operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, array(kReluXId));
  if (p.backward) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_DYDESC, array(kReluDyId));
  operation.set(
      p.backward ? CUDNN_ATTR_OPERATION_POINTWISE_DXDESC : CUDNN_ATTR_OPERATION_POINTWISE_YDESC,
      array(kReluResultId));
  operation.finalize();
  return operation;
}

}  // namespace

std::string visit_plans(const LeakyReluProblem& problem, const PlanTarget& target,
                        std::string_view wanted, const std::function<bool(ExecutionPlan)>& visit) {
  // Engines are noted as using tensor cores although a function of single elements has no products
  // that these could round.
  return visit_plans(make_graph(make_operation(problem), target), cuda::Conv2dMath::tf32, target,
                     wanted, visit);
}

}  // namespace whisker::inline v0_1::kernels::cudnn
