#include <whisker/layers/sequential.h>

namespace whisker::inline v0_1::nn {

Sequential& Sequential::add(const std::string& name, std::shared_ptr<Module> layer) {
  check(layer != nullptr, "Sequential: layer ", name, " is null");
  check(!name.empty(), "Sequential: a layer needs a name");
  check(name.find('.') == std::string::npos, "Sequential: the name ", name,
        " has a dot, which separates names");
  for (const auto& [taken, other] : layers_)
    check(taken != name, "Sequential: the name ", name, " is taken by ", other->describe());
  layers_.emplace_back(name, std::move(layer));
  return *this;
}

Tensor Sequential::forward(const Tensor& x) {
  Tensor y = x;
  for (const auto& [name, layer] : layers_)
    y = (*layer)(y);
  return y;
}

void Sequential::visit(ModuleVisitor& visitor) {
  for (const auto& [name, layer] : layers_)
    visitor.child(name, *layer);
}

}  // namespace whisker::inline v0_1::nn
