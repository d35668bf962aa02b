// All layers and losses.
#pragma once

#include <whisker/layers/activation.h>
#include <whisker/layers/batch_norm2d.h>
#include <whisker/layers/conv2d.h>
#include <whisker/layers/conv_block.h>
#include <whisker/layers/conv_transpose2d.h>
#include <whisker/layers/dense.h>
#include <whisker/layers/init.h>
#include <whisker/layers/loss.h>
#include <whisker/layers/module.h>
#include <whisker/layers/sequential.h>
