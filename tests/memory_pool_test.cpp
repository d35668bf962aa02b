#include <cstring>

#include <whisker/core/memory_pool.h>
#include <whisker/core/ops.h>

#include "catch.h"
#include "testing.h"

namespace whisker::testing {
namespace {

// Address sanitizer's builds give every block back at once, see memory_pool.cpp.
#ifdef __SANITIZE_ADDRESS__
constexpr bool kReuses = false;
#else
constexpr bool kReuses = true;
#endif

std::size_t held_bytes(const MemoryPool& pool) {
  return pool.stats().used_bytes + pool.stats().cached_bytes;
}

/// One step of a small convolutional net: forward, backward and a plain update.
void training_step(const Tensor& images, Tensors& weights) {
  const Tensor h = leaky_relu(conv2d(images, weights[0], Tensor(), Conv2dOptions::same(2)));
  const Tensor n = batch_norm(h, weights[1], weights[2], {.slope = 0.2}).y;
  mean(square(dense(flatten(n), weights[3], Tensor()))).backward();
  const NoGrad no_grad;
  for (Tensor& weight : weights) {
    weight.copy_from(weight - 0.01 * weight.grad());
    weight.set_grad(Tensor());
  }
}

}  // namespace

TEST_CASE("the pool hands out aligned blocks and counts them", "[memory_pool]") {
  MemoryPool pool(host_memory());
  {
    const kernels::Buffer a = pool.allocate(100), b = pool.allocate(1), c = pool.allocate(0);
    for (const kernels::Buffer& block : {a, b, c})
      CHECK(reinterpret_cast<std::uintptr_t>(block.get()) % 64 == 0);
    CHECK(a != b);
    CHECK(b != c);
    std::memset(a.get(), 1, 100);
    CHECK(pool.stats().used_bytes == 128 + 64 + 64);
    CHECK(pool.stats().cached_bytes == 0);
  }
  CHECK(pool.stats().used_bytes == 0);
  CHECK(pool.stats().peak_bytes == 256);
  CHECK(pool.stats().cached_bytes == (kReuses ? 256 : 0));
  pool.trim();
  CHECK(pool.stats().cached_bytes == 0);
}

TEST_CASE("a block that was given back serves the next request of about its size",
          "[memory_pool]") {
  if (!kReuses) SKIP("this build does not reuse blocks");
  MemoryPool pool(host_memory());
  const std::byte* first = pool.allocate(1 << 20).get();
  CHECK(pool.allocate(1 << 20).get() == first);
  // Down to four fifths of its size, no smaller: that would waste memory.
  CHECK(pool.allocate((1 << 20) * 9 / 10).get() == first);
  {
    const kernels::Buffer small = pool.allocate(1 << 19);
    CHECK(small.get() != first);
    CHECK(pool.stats().cached_bytes == 1 << 20);
  }
  // The best fit wins.
  const std::byte* tight = pool.allocate((1 << 20) * 9 / 10 + 64).get();
  CHECK(tight == first);
  pool.trim();
}

TEST_CASE("a block stays alive as long as its last owner, the pool's user or not",
          "[memory_pool]") {
  MemoryPool pool(host_memory());
  kernels::Buffer a = pool.allocate(4096);
  const kernels::Buffer b = a;
  a.reset();
  CHECK(pool.stats().used_bytes == 4096);
  std::memset(b.get(), 7, 4096);
}

TEST_CASE("large blocks are cut on pages", "[memory_pool]") {
  MemoryPool pool(host_memory());
  const kernels::Buffer block = pool.allocate((std::size_t{3} << 20) + 1);
  CHECK(reinterpret_cast<std::uintptr_t>(block.get()) % 4096 == 0);
  CHECK(pool.stats().used_bytes == (std::size_t{3} << 20) + 4096);
  std::memset(block.get(), 1, (std::size_t{3} << 20) + 1);
}

TEST_CASE("a request that cannot be met is OutOfMemory and leaves the pool as it was",
          "[memory_pool][errors]") {
  MemoryPool pool(host_memory());
  const kernels::Buffer kept = pool.allocate(1000);
  CHECK_THROWS_AS(pool.allocate(~std::size_t{0}), OutOfMemory);
  CHECK(pool.stats().used_bytes == 1024);
}

TEST_CASE("a second training step asks nothing new of the system", "[memory_pool]") {
  const Tensor images = random_tensor({4, 16, 16, 3});
  Tensors weights = leaves_of({random_tensor({32, 5, 5, 3}), Tensor::full({32}, 1.0),
                               Tensor::zeros({32}), random_tensor({1, 8 * 8 * 32})});
  MemoryPool& pool = MemoryPool::host();
  training_step(images, weights);
  const std::size_t held = held_bytes(pool), used = pool.stats().used_bytes;
  for (int step = 0; step < 3; ++step) {
    training_step(images, weights);
    CHECK(held_bytes(pool) == held);
    CHECK(pool.stats().used_bytes == used);
  }
  if (kReuses) CHECK(pool.stats().cached_bytes > 0);
}

TEST_CASE("a pool asks its source about the rest only when there is no more", "[memory_pool]") {
  int asked = 0, left = 1;
  MemorySource source = host_memory();
  source.name = "toy memory";
  source.take = [&, take = source.take](std::size_t bytes) {
    return left-- > 0 ? take(bytes) : nullptr;
  };
  source.describe_rest = [&] {
    ++asked;
    return std::string(", none left");
  };
  MemoryPool pool(source);
  const kernels::Buffer held = pool.allocate(1 << 20);
  CHECK(asked == 0);
  try {
    pool.allocate(3 << 20);
    FAIL("it was given");
  } catch (const OutOfMemory& error) {
    CHECK(
        std::string(error.what()).starts_with("toy memory: 3 MiB wanted, 1 MiB in use, none left"));
  }
  CHECK(asked == 1);
}

}  // namespace whisker::testing
