// What is left when a single small allocation fails.
#include <string>

#include <whisker/core/memory_pool.h>
#include <whisker/kernels/check.h>

#include "catch.h"
#include "failing_new.h"

using whisker::MemoryPool;

#ifndef WHISKER_SANITIZED
TEST_CASE("A pool that gets no memory for its own notes loses no block and does not hang",
          "[memory_pool]") {
  bool happened = true;
  for (long n = 1; happened; ++n) {
    MemoryPool pool(whisker::host_memory());
    bool failed = false;
    {
      const failing_new::Failure failure(n);
      try {
        pool.allocate(1000);
      } catch (const std::bad_alloc&) {
        failed = true;
      }
      happened = failure.happened();
    }
    INFO("allocation " << n);
    CHECK((happened || !failed));
    CHECK(pool.stats().used_bytes == 0);
    CHECK(pool.allocate(1000) != nullptr);
    CHECK(pool.stats().used_bytes == 0);
    CHECK(pool.stats().cached_bytes == 1024);
    pool.trim();
    REQUIRE(n < 20);
  }
}

TEST_CASE("A text for which memory is short is not cut", "[memory_pool]") {
  const std::string word(100, 'x');
  const std::string whole = word + "7" + word;
  bool happened = true;
  for (long n = 1; happened; ++n) {
    std::string text = whole;
    {
      const failing_new::Failure failure(n);
      try {
        text = whisker::str(word, 7, word);
      } catch (const std::bad_alloc&) {
        // better than a part
      }
      happened = failure.happened();
    }
    CHECK(text == whole);
    REQUIRE(n < 20);
  }
}
#endif
