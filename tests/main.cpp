// The program that runs the tests; the same for Catch2 2 and 3.
#define CATCH_CONFIG_RUNNER
#include "catch.h"

int main(int argc, char** argv) {
  return Catch::Session().run(argc, argv);
}
