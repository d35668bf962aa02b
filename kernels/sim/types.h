// The built-in vector types of CUDA, without its toolkit.
#pragma once

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// As in CUDA, pairs are aligned to their size and quadruples to at most 16 bytes.
#define WHISKER_SIM_VECTOR_TYPES(T, Name)                           \
  struct alignas(2 * sizeof(T)) Name##2 {                           \
    T x, y;                                                         \
  };                                                                \
  struct alignas(4 * sizeof(T) > 16 ? 16 : 4 * sizeof(T)) Name##4 { \
    T x, y, z, w;                                                   \
  };                                                                \
  constexpr Name##2 make_##Name##2(T x, T y) {                      \
    return {x, y};                                                  \
  }                                                                 \
  constexpr Name##4 make_##Name##4(T x, T y, T z, T w) {            \
    return {x, y, z, w};                                            \
  }
WHISKER_SIM_VECTOR_TYPES(float, float)
WHISKER_SIM_VECTOR_TYPES(double, double)
WHISKER_SIM_VECTOR_TYPES(int, int)
WHISKER_SIM_VECTOR_TYPES(unsigned, uint)
WHISKER_SIM_VECTOR_TYPES(unsigned short, ushort)
WHISKER_SIM_VECTOR_TYPES(unsigned char, uchar)
WHISKER_SIM_VECTOR_TYPES(long long, longlong)
#undef WHISKER_SIM_VECTOR_TYPES

struct float3 {
  float x, y, z;
};
struct int3 {
  int x, y, z;
};
constexpr float3 make_float3(float x, float y, float z) {
  return {x, y, z};
}
constexpr int3 make_int3(int x, int y, int z) {
  return {x, y, z};
}
constexpr uint3 make_uint3(unsigned x, unsigned y, unsigned z) {
  return {x, y, z};
}
