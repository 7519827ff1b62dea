// Two translation units include the whole library and link into one program.
#include <cmath>
#include <cstdio>

#include "other.hpp"

namespace pf = pushforward;

int main() {
  pf::Rng rng(0);
  const pf::Tensor<> x = pf::normal({4, 3}, rng);
  const float difference = pf::sum(pf::abs(slope_of_squares(x) - 2.0f * x)).item();
  std::printf("difference %g\n", static_cast<double>(difference));
  return difference < 1e-5f ? 0 : 1;
}
