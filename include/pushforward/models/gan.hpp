// Gan: the generator of a generative adversarial network, with the noise that it is fed.
#pragma once

#include <concepts>
#include <utility>

#include <pushforward/distributions/normal.hpp>

namespace pushforward {

/// A generator (Goodfellow et al. 2014): x = generator(z), z ~ prior. It draws, and has no likelihood.
///
/// The generator is a module that maps z [n, latent] to x [n, ..]; the prior is any distribution with `sample`: N(0, I)
/// of a given size, a flow. The critic is another module, apart from it: two modules, two objectives, two optimizers.
///
///     Gan gan(Mlp({2, 128, 128, 2}, rng), 2);
template <class Generator, class Prior>
class Gan {
 public:
  using Scalar = detail::scalar_of<Generator>;
  using S = Scalar;

  Gan(Generator generator, Prior prior) : generator_(std::move(generator)), prior_(std::move(prior)) {}
  /// With the prior N(0, I) over `latent` numbers.
  Gan(Generator generator, Index latent) requires std::same_as<Prior, Normal<Scalar>>
      : Gan(std::move(generator), standard_normal<Scalar>(latent)) {}

  /// What the generator makes of z [n, latent]: [n, ..].
  Tensor<S> generate(const Tensor<S>& z) const { return generator_(z); }
  const Generator& generator() const { return generator_; }
  const Prior& prior() const { return prior_; }

  /// n draws, [n, ..], as constants.
  Tensor<S> sample(Index n, Rng& rng) const {
    NoGradient guard;
    return generator_(prior_.sample(n, rng));
  }
  /// n draws that are differentiable in the parameters: of the generator, and of a prior that has `rsample`.
  Tensor<S> rsample(Index n, Rng& rng) const {
    if constexpr (requires { prior_.rsample(n, rng); })
      return generator_(prior_.rsample(n, rng));
    else
      return generator_(prior_.sample(n, rng));
  }

  static void members(auto& self, auto&& visit) {
    visit("generator", self.generator_);
    visit("prior", self.prior_);
  }

 private:
  Generator generator_;
  Prior prior_;
};

template <class Generator, std::integral I>
Gan(Generator, I) -> Gan<Generator, Normal<detail::scalar_of<Generator>>>;

}  // namespace pushforward
