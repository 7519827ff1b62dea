#pragma once

#include <pushforward/pushforward.hpp>

/// The sum of squares of x and its gradient at x, computed in another translation unit.
pushforward::Tensor<> slope_of_squares(const pushforward::Tensor<>& x);
