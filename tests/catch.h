// One include for Catch2 2.13 (Debian 12) and 3 (Ubuntu 24.04).
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

// Catch2 2 cannot skip: such a test says why and passes.
#ifndef SKIP
#define SKIP(reason)               \
  do {                             \
    WARN("skipped: " << (reason)); \
    return;                        \
  } while (false)
#endif
