// Uses an installed whisker from outside the tree.
#include <iostream>

#include <whisker/core/shape.h>

int main() {
  const whisker::Shape shape{8, 32, 32, 3};
  std::cout << shape << '\n';
  return shape.numel() == 8 * 32 * 32 * 3 ? 0 : 1;
}
