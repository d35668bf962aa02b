// The matrix products of dense layers.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <whisker/kernels/matmul.h>

namespace whisker_bench {

struct Product {
  std::string name;
  whisker::kernels::MatmulShape shape;
};

/// As core/ops/matmul.h computes a dense layer, weight [out, in] and x [batch, in], and its
/// gradients.
inline void add_dense_layer(const std::string& name, std::int64_t batch, std::int64_t in,
                            std::int64_t out, std::vector<Product>& products) {
  products.push_back({name + " forward", {batch, out, in, false, true}});
  products.push_back({name + " backward data", {batch, in, out}});
  products.push_back({name + " backward weight", {out, in, batch, true, false}});
}

}  // namespace whisker_bench
