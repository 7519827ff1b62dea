// What tests of densities and of modules share: parameters off their starting values, and integrals over the plane.
#pragma once

#include <pushforward/nn/module.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/random.hpp>

namespace support {

namespace pf = pushforward;

/// Sets every parameter to `keep` times itself and normal noise of standard deviation `noise`: many parts start as the
/// identity, of which little can be tested.
template <class S, class M>
void stir(M& module, double keep, double noise, pf::Rng& rng) {
  pf::for_each_parameter<S>(module, [&](const pf::Path&, pf::Parameter<S>& p) {
    p = p.tensor() * keep + pf::normal<S>(p.shape(), rng) * noise;
  });
}
template <class S, class M>
M stirred(M module, double keep, double noise, pf::Rng& rng) {
  stir<S>(module, keep, noise, rng);
  return module;
}

/// The middles of n x n cells of [-reach, reach]^2: [n n, 2].
inline pf::Tensor<double> grid(double reach, pf::Index n) {
  const double step = 2 * reach / static_cast<double>(n);
  return pf::Tensor<double>::generate({n * n, 2}, [&](pf::Index i) {
    return -reach + (static_cast<double>(i % 2 == 0 ? i / 2 / n : i / 2 % n) + 0.5) * step;
  });
}

/// The integral of exp(log_prob) over [-reach, reach]^2 by the midpoint rule.
template <class Model>
double mass_on_grid(const Model& model, double reach, pf::Index n) {
  const pf::NoGradient guard;
  const double step = 2 * reach / static_cast<double>(n);
  return pf::exp(model.log_prob(grid(reach, n))).sum() * step * step;
}

}  // namespace support
