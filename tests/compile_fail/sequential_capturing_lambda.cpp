// A lambda that captures a layer would hide its parameters.
// expect: pushforward: a layer of Sequential holds state but is not a module, so its parameters would be missed
#include <pushforward/nn.hpp>

int main() {
  pushforward::Rng rng(0);
  const pushforward::Linear<> hidden(2, 2, rng);
  pushforward::Sequential model(hidden, [hidden](const pushforward::Tensor<>& x) { return hidden(x); });
  return static_cast<int>(pushforward::count_parameters(model));
}
