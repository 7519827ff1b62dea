// Operations on tensors.
#pragma once

#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/ops/assignment.hpp>
#include <pushforward/ops/attention.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/ops/convolution.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/ops/images.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/linalg.hpp>
#include <pushforward/ops/linear_combination.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/ops/reductions.hpp>
#include <pushforward/ops/rotary.hpp>
#include <pushforward/ops/shape_ops.hpp>
