// CheckFailed: what every check throws, so that checks serve under any test framework.
#pragma once

#include <pushforward/autodiff/tensor.hpp>

namespace pushforward::testing {

/// A check that did not hold; the message says where, what was found, what was expected, and the tolerance.
struct CheckFailed : Error {
  using Error::Error;
};

namespace detail {

// "[1, 3]": the index of row-major position `at` in `shape`.
inline std::string position(const Shape& shape, Index at) {
  std::string text;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    const Index length = std::max<Index>(1, shape[axis]);
    text = std::to_string(at % length) + (text.empty() ? "" : ", ") + text;
    at /= length;
  }
  return "[" + text + "]";
}

template <class S>
Tensor<double> as_double(const Tensor<S>& x) {
  return Tensor<double>::generate(x.shape(), [&](Index i) { return static_cast<double>(x.data()[i]); });
}

// Throws unless |found - expected| <= tolerance * max(1, |expected|) for every element; infinities must be equal.
template <class S>
void expect_close(const char* what, const Tensor<S>& found, const Tensor<S>& expected, double tolerance) {
  if (!(found.shape() == expected.shape()))
    fail<CheckFailed>(what, ": got shape ", found.shape(), ", expected ", expected.shape());
  for (Index i = 0; i < found.size(); ++i) {
    const auto a = static_cast<double>(found.data()[i]), b = static_cast<double>(expected.data()[i]);
    if (a != b && !(std::abs(a - b) <= tolerance * std::max(1.0, std::abs(b))))
      fail<CheckFailed>(what, ": element ", position(found.shape(), i), " is ", a, ", expected ", b, " within ",
                        tolerance, " of the larger of 1 and its size");
  }
}

}  // namespace detail

}  // namespace pushforward::testing
