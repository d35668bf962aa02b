#include <whisker/core/ops.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

struct ConcatCase {
  const char* remark;
  std::vector<Shape> parts;
  int axis;
};

const ConcatCase kConcats[] = {
    {"rows", {{2, 3}, {1, 3}, {4, 3}}, 0},
    {"columns", {{2, 3}, {2, 1}}, 1},
    {"channels, counted from the last axis", {{2, 2, 2, 3}, {2, 2, 2, 1}}, -1},
    {"the middle", {{2, 1, 2}, {2, 3, 2}, {2, 2, 2}}, 1},
    {"one part", {{2, 3}}, 1},
    {"an empty part", {{2, 3}, {0, 3}, {1, 3}}, 0},
    {"parts without elements", {{0, 2}, {0, 3}}, 1},
    {"only empty parts", {{0, 2}, {0, 2}}, 0},
};

Tensors parts_of(const ConcatCase& c, Dtype dtype) {
  Tensors parts;
  for (std::size_t i = 0; i < c.parts.size(); ++i)
    parts.push_back(random_tensor(c.parts[i], dtype, i + 1));
  return parts;
}

/// Element by element: the part, and the place in it, of every index of the result.
std::vector<Array> concat_reference(const std::vector<Array>& in, const Array& dy, int axis) {
  std::vector<Array> results{Array(dy.shape)};
  for (const Array& part : in)
    results.emplace_back(part.shape);
  const int at = dy.shape.index(axis);
  std::int64_t inner = 1;
  for (int i = at + 1; i < dy.shape.rank(); ++i)
    inner *= dy.shape[i];
  for (std::int64_t i = 0; i < dy.shape.numel(); ++i) {
    std::int64_t position = i / inner % dy.shape[at];
    const std::int64_t outer = i / inner / dy.shape[at];
    std::size_t part = 0;
    while (position >= in[part].shape[at])
      position -= in[part++].shape[at];
    const std::int64_t j = (outer * in[part].shape[at] + position) * inner + i % inner;
    results[0][i] = in[part][j];
    results[part + 1][j] = dy[i];
  }
  return results;
}

}  // namespace

TEST_CASE("concat and its gradients equal the definition", "[reshape][concat]") {
  for (const ConcatCase& c : kConcats)
    for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16}) {
      INFO(c.remark << ", " << dtype);
      check_op([&](const Tensors& in) { return concat(in, c.axis); }, parts_of(c, dtype),
               [&](const std::vector<Array>& in, const Array& dy) {
                 return concat_reference(in, dy, c.axis);
               },
               kExact, kExact);
    }
}

TEST_CASE("reshape, slice and their gradients equal the definition", "[reshape]") {
  for (const Dtype dtype : {Dtype::float32, Dtype::float64, Dtype::bfloat16}) {
    INFO(dtype);
    check_op(
        [](const Tensors& in) {
          return reshape(in[0], {2, 6});
        },
        {random_tensor({4, 3}, dtype)},
        [](const std::vector<Array>& in, const Array& dy) {
          Array y = in[0], dx = dy;
          std::swap(y.shape, dx.shape);
          return std::vector<Array>{y, dx};
        },
        kExact, kExact);
    for (const auto& [begin, end] : {std::pair{0, 4}, std::pair{1, 3}, std::pair{2, 2}})
      check_op(
          [&, begin = begin, end = end](const Tensors& in) { return slice(in[0], begin, end); },
          {random_tensor({4, 3}, dtype)},
          [begin = begin](const std::vector<Array>& in, const Array& dy) {
            Array y(dy.shape), dx(in[0].shape);
            for (std::int64_t i = 0; i < dy.shape.numel(); ++i) {
              y[i] = in[0][begin * 3 + i];
              dx[begin * 3 + i] = dy[i];
            }
            return std::vector<Array>{y, dx};
          },
          kExact, kExact);
  }
}

TEST_CASE("changes of shape are differentiable twice", "[reshape][gradcheck]") {
  for (const ConcatCase& c : kConcats) {
    INFO(c.remark);
    const Function f = [&](const Tensors& in) { return square(concat(in, c.axis)); };
    CHECK(gradcheck(f, parts_of(c, Dtype::float64)) == "");
    CHECK(gradgradcheck(f, parts_of(c, Dtype::float64)) == "");
  }
  const Tensors x{random_tensor({4, 3}, Dtype::float64)};
  for (const Function& f :
       {Function([](const Tensors& in) {
          return square(reshape(in[0], {2, 6}));
        }),
        Function([](const Tensors& in) { return square(slice(in[0], 1, 3)); }),
        Function([](const Tensors& in) { return square(slice(in[0], 0, 4)); }),
        Function([](const Tensors& in) { return square(slice(in[0], 2, 2)); })}) {
    CHECK(gradcheck(f, x) == "");
    CHECK(gradgradcheck(f, x) == "");
  }
}

TEST_CASE("concat joins tensors of integers too", "[reshape][concat]") {
  const Tensor a = Tensor::from(std::vector<std::uint8_t>{1, 2}, {1, 2});
  const Tensor b = Tensor::from(std::vector<std::uint8_t>{3, 4}, {1, 2});
  CHECK(concat({a, b}).to_vector<std::uint8_t>() == std::vector<std::uint8_t>{1, 2, 3, 4});
}

TEST_CASE("reshape and slice share storage", "[reshape]") {
  const Tensor x = random_tensor({4, 6});
  const Tensor image = reshape(x, {2, 2, 2, 3});
  CHECK(image.storage() == x.storage());
  CHECK(image.to_vector<float>() == x.to_vector<float>());
  const Tensor rows = slice(x, 1, 3);
  CHECK(rows.storage() == x.storage());
  CHECK(rows.kernel_data<float>() == x.kernel_data<float>() + 6);
  CHECK(rows.shape() == Shape{2, 6});
  CHECK(slice(rows, 1, 2).kernel_data<float>() == x.kernel_data<float>() + 12);
  CHECK(flatten(image).shape() == Shape{2, 12});
  CHECK(flatten(Tensor::zeros({0, 3, 2})).shape() == Shape{0, 6});
  CHECK(slice(x, 4, 4).shape() == Shape{0, 6});
}

TEST_CASE("errors of changes of shape name both shapes", "[reshape][errors]") {
  const Tensor x = Tensor::zeros({4, 6});
  CHECK(shape_error_lacks({"reshape", "[4,6]", "24", "[5,5]", "25"}, [&] {
          reshape(x, {5, 5});
        }) == "");
  CHECK(shape_error_lacks({"[3,7)", "[4,6]"}, [&] { slice(x, 3, 7); }) == "");
  CHECK(shape_error_lacks({"[-1,2)", "[4,6]"}, [&] { slice(x, -1, 2); }) == "");
  CHECK(shape_error_lacks({"[3,2)", "[4,6]"}, [&] { slice(x, 3, 2); }) == "");
  CHECK(shape_error_lacks({"[0,0)", "[]"}, [&] { slice(Tensor::zeros({}), 0, 0); }) == "");
  CHECK(shape_error_lacks({"concat", "[4,6]", "[4,5]"}, [&] {
          concat({x, Tensor::zeros({4, 5})});
        }) == "");
  CHECK(shape_error_lacks({"concat", "[4,6]", "[4,6,1]"}, [&] {
          concat({x, Tensor::zeros({4, 6, 1})});
        }) == "");
  CHECK(shape_error_lacks({"concat", "float32", "uint8"}, [&] {
          concat({x, Tensor::zeros({4, 6}, Dtype::uint8)});
        }) == "");
  CHECK(shape_error_lacks({"axis 2", "[4,6]"}, [&] { concat({x, x}, 2); }) == "");
  CHECK(shape_error_lacks({"concat", "no tensors"}, [&] { concat({}); }) == "");
  CHECK(shape_error_lacks({"concat", "scalars"}, [&] { concat({Tensor::zeros({})}); }) == "");
  CHECK(shape_error_lacks({"flatten"}, [&] { flatten(Tensor::zeros({})); }) == "");
}

}  // namespace whisker::testing
