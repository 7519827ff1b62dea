// Tensors of two scalars do not mix.
// expect: pushforward: the two tensors hold different scalars (float, double or Index). Convert one of them
#include <pushforward/ops.hpp>

int main() {
  const pushforward::Tensor<float> x{1, 2};
  const pushforward::Tensor<double> y{3, 4};
  return static_cast<int>((x + y).size());
}
