// A lambda that captures a layer would hide its parameters.
// expect: pushforward: the layer given to AnyLayer holds state but is not a module
#include <pushforward/nn.hpp>

int main() {
  pushforward::Rng rng(0);
  const pushforward::Linear<> hidden(2, 2, rng);
  pushforward::AnyLayer<> layer([hidden](const pushforward::Tensor<>& x) { return hidden(x); });
  return layer.empty();
}
