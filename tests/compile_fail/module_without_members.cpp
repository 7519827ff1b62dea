// A struct with parameters must name them.
// expect: pushforward: this type is not a module, so its parameters would be missed in silence.
#include <pushforward/nn.hpp>

struct Scale {
  pushforward::Parameter<> factor;
};

int main() {
  Scale scale;
  return static_cast<int>(pushforward::count_parameters(scale));
}
