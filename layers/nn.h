// All layers and losses, and what they are used with: ops, NoGrad and random numbers.
#pragma once

#include <whisker/core/autograd.h>
#include <whisker/core/ops.h>
#include <whisker/core/random.h>
#include <whisker/layers/activation.h>
#include <whisker/layers/batch_norm2d.h>
#include <whisker/layers/conv2d.h>
#include <whisker/layers/conv_block.h>
#include <whisker/layers/conv_transpose2d.h>
#include <whisker/layers/dense.h>
#include <whisker/layers/init.h>
#include <whisker/layers/loss.h>
#include <whisker/layers/module.h>
#include <whisker/layers/resample2d.h>
#include <whisker/layers/sequential.h>
