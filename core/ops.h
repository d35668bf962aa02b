// All differentiable ops.
#pragma once

#include <whisker/core/ops/batch_norm.h>
#include <whisker/core/ops/binary.h>
#include <whisker/core/ops/cast.h>
#include <whisker/core/ops/conv2d.h>
#include <whisker/core/ops/matmul.h>
#include <whisker/core/ops/reduce.h>
#include <whisker/core/ops/resample2d.h>
#include <whisker/core/ops/reshape.h>
#include <whisker/core/ops/unary.h>
