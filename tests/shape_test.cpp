#include <whisker/core/shape.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {

TEST_CASE("a shape knows its sizes and the number of elements", "[shape]") {
  const Shape shape{8, 32, 16, 3};
  CHECK(shape.rank() == 4);
  CHECK(shape.numel() == 8 * 32 * 16 * 3);
  CHECK(shape[0] == 8);
  CHECK(shape[-1] == 3);
  CHECK(shape[-4] == 8);
  CHECK(shape.index(-1) == 3);
  CHECK(shape.to_string() == "[8,32,16,3]");
  CHECK(Shape{}.rank() == 0);
  CHECK(Shape{}.numel() == 1);
  CHECK(Shape{}.to_string() == "[]");
  CHECK(Shape{5, 0, 2}.numel() == 0);
}

TEST_CASE("shapes are equal if all their sizes are", "[shape]") {
  CHECK(Shape{2, 3} == Shape{2, 3});
  CHECK_FALSE(Shape{2, 3} == Shape{3, 2});
  CHECK_FALSE(Shape{2, 3} == Shape{2, 3, 1});
  CHECK_FALSE(Shape{} == Shape{1});
}

TEST_CASE("with replaces one size and nothing else", "[shape]") {
  const Shape shape{2, 3, 4};
  CHECK(shape.with(1, 7) == Shape{2, 7, 4});
  CHECK(shape.with(-1, 0).numel() == 0);
  CHECK(shape == Shape{2, 3, 4});
}

TEST_CASE("shapes that cannot exist are refused", "[shape][errors]") {
  constexpr std::int64_t kHuge = std::int64_t{1} << 40;
  CHECK(shape_error_lacks({"7 dimensions", "6"}, [] { Shape{1, 1, 1, 1, 1, 1, 1}; }) == "");
  CHECK(shape_error_lacks({"negative", "-1"}, [] { Shape{2, -1}; }) == "");
  CHECK(shape_error_lacks({"2^62"}, [] { Shape{kHuge, kHuge}; }) == "");
  // A zero must not hide an overflow of the others, nor be hidden by one.
  CHECK(shape_error_lacks({"2^62"}, [] { Shape{0, kHuge, kHuge}; }) == "");
  CHECK(shape_error_lacks({"2^62"}, [] { Shape{kHuge, kHuge, 0}; }) == "");
  CHECK(Shape{std::int64_t{1} << 31, std::int64_t{1} << 31}.numel() == std::int64_t{1} << 62);
  CHECK(shape_error_lacks({"axis 2", "[3,4]"}, [] { Shape({3, 4}).index(2); }) == "");
  CHECK(shape_error_lacks({"axis -3", "[3,4]"}, [] { Shape({3, 4})[-3]; }) == "");
  CHECK(shape_error_lacks({"axis 0", "[]"}, [] { Shape().with(0, 1); }) == "");
}

TEST_CASE("shapes broadcast by NumPy's rule", "[shape]") {
  const auto result = [](const Shape& a, const Shape& b) { return broadcast_shapes(a, b, "op"); };
  CHECK(result({2, 3}, {3}) == Shape{2, 3});
  CHECK(result({}, {4, 1}) == Shape{4, 1});
  CHECK(result({3, 1}, {1, 4}) == Shape{3, 4});
  CHECK(result({5, 1, 2}, {4, 1}) == Shape{5, 4, 2});
  CHECK(result({1, 3}, {0, 1}) == Shape{0, 3});
  CHECK(shape_error_lacks({"op", "[2,3]", "[2,4]", "3 and 4"}, [&] {
          result({2, 3}, {2, 4});
        }) == "");
  CHECK(shape_error_lacks({"[0]", "[2]"}, [&] { result({0}, {2}); }) == "");
}

}  // namespace whisker::testing
