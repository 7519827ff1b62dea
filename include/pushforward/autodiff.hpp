// Everything of the autodiff floor: tensors and gradients.
#pragma once

#include <pushforward/autodiff/dual.hpp>
#include <pushforward/autodiff/functional.hpp>
#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/autodiff/tensor.hpp>
