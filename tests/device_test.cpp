// Where tensors live, and what happens when they do not live together.
#include <whisker/core/backend.h>
#include <whisker/core/ops.h>
#include <whisker/optim/sgd.h>

#include "catch.h"
#include "file_fixtures.h"
#include "testing.h"

namespace whisker::testing {
using file_fixtures::ContainsSubstring;

namespace {

std::string input_error(const std::string& text) {
  try {
    parse_device(text);
  } catch (const InputError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a device is named by text, and auto takes a real GPU if there is one", "[device]") {
  CHECK(parse_device("cpu") == Device::cpu());
  for (const char* text : {"", "gpu", "cuda:", "cuda:-1", "cuda:1x", "CUDA", "cpu:0"}) {
    INFO(text);
    CHECK_THAT(input_error(text), ContainsSubstring("is none of auto, cpu, cuda, cuda:<index>"));
  }
  const int count = cuda_device_count();
  CHECK(parse_device("auto") == (count > 0 && !kSimulated ? Device::cuda() : Device::cpu()));
  if (kWithCuda)
    CHECK_THAT(input_error("cuda:99"), ContainsSubstring("cuda:99 cannot be used: "));
  else
    CHECK_THAT(input_error("cuda"), ContainsSubstring("this build has no CUDA"));
  if (count > 0) CHECK(parse_device("cuda") == Device::cuda(0));
}

TEST_CASE("new tensors go where the innermost scope says, float64 to the CPU", "[device]") {
  if (cuda_device_count() == 0) SKIP("there is no CUDA device");
  const DeviceScope outer(Device::cuda());
  CHECK(Tensor::zeros({2}).device() == Device::cuda());
  CHECK(Tensor::zeros({2}, Dtype::float64).device() == Device::cpu());
  CHECK(Tensor::from<double>({1, 2}, {2}).device() == Device::cpu());
  {
    const DeviceScope inner(Device::cpu());
    CHECK(Tensor::zeros({2}).device() == Device::cpu());
  }
  CHECK(Tensor::from<float>({1, 2}, {2}).device() == Device::cuda());
}

TEST_CASE("a tensor comes back from the GPU as it went", "[device]") {
  if (cuda_device_count() == 0) SKIP("there is no CUDA device");
  for (const Shape& shape : {Shape{}, Shape{0}, Shape{3}, Shape{70, 50, 3}}) {
    const DeviceScope cpu(Device::cpu());
    const Tensor x = random_tensor(shape);
    const Tensor there = x.to(Device::cuda());
    CHECK(there.device() == Device::cuda());
    CHECK(there.to_vector<float>() == x.to_vector<float>());
    CHECK(same_bits(there.clone().to(Device::cpu()), x));
    if (x.numel() > 0) CHECK_THROWS_AS(there.data<float>(), ShapeError);
  }
}

TEST_CASE("uploads that nobody waits for keep what they were given", "[device]") {
  if (cuda_device_count() == 0) SKIP("there is no CUDA device");
  Tensors here, there;
  for (std::uint64_t i = 0; i < 8; ++i) {
    const DeviceScope cpu(Device::cpu());
    here.push_back(random_tensor({1000}, Dtype::float32, i));
    Tensor::full({1000}, 0.5, Dtype::float32, Device::cuda());  // keeps the stream busy
    there.push_back(here.back().to(Device::cuda()));
  }
  for (std::size_t i = 0; i < here.size(); ++i)
    CHECK(there[i].to_vector<float>() == here[i].to_vector<float>());
}

TEST_CASE("what does not live together is refused by name", "[device]") {
  if (cuda_device_count() == 0) SKIP("there is no CUDA device");
  const DeviceScope cpu(Device::cpu());
  const Tensor image = random_tensor({1, 4, 4, 2}), weight = random_tensor({3, 3, 3, 2});
  const Tensor bias = random_tensor({3}), rows = random_tensor({4, 2}),
               channel = random_tensor({2});
  const auto gpu = [](const Tensor& t) { return t.to(Device::cuda()); };
  const auto both_named = [](auto&& call) {
    try {
      call();
    } catch (const ShapeError& error) {
      const std::string text = error.what();
      return text.find("cpu") != text.npos && text.find("cuda:0") != text.npos;
    }
    return false;
  };
  CHECK(both_named([&] { add(gpu(rows), channel); }));
  CHECK(both_named([&] { matmul(gpu(rows), weight.view({2, 27})); }));
  CHECK(both_named([&] { concat({rows, gpu(rows)}, 0); }));
  CHECK(both_named([&] { conv2d(gpu(image), weight, Tensor(), {}); }));
  CHECK(both_named([&] { conv2d(gpu(image), gpu(weight), bias, {}); }));
  CHECK(both_named([&] {
    conv2d_weight_grad(gpu(image), random_tensor({1, 4, 4, 3}), weight.shape(), {});
  }));
  CHECK(both_named([&] { batch_norm(gpu(rows), gpu(channel), channel, {}); }));
  Tensor parameter = gpu(channel).set_requires_grad();
  CHECK_THROWS_AS(parameter.set_grad(channel), ShapeError);
  const Tensor wide = Tensor::empty({2}, Dtype::float64, Device::cuda());
  CHECK_THROWS_AS(square(wide), ShapeError);
}

TEST_CASE("more GPU memory than there is, is OutOfMemory and says what is held", "[device]") {
  if (cuda_device_count() == 0) SKIP("there is no CUDA device");
  const Tensor held = Tensor::zeros({1 << 20}, Dtype::float32, Device::cuda());
  try {
    Tensor::empty({std::int64_t{1} << 45}, Dtype::float32, Device::cuda());
    FAIL("it was given");
  } catch (const OutOfMemory& error) {
    CHECK_THAT(error.what(), ContainsSubstring("memory of cuda:0: 134217728 MiB wanted"));
    CHECK_THAT(error.what(), ContainsSubstring("MiB in use"));
    CHECK_THAT(error.what(), ContainsSubstring("MiB free on the device"));
  }
  CHECK(held.to_vector<float>()[0] == 0.0f);
}

}  // namespace whisker::testing
