// VonMisesFisherHead: an encoder whose codes lie on a sphere.
#pragma once

#include <pushforward/distributions/von_mises_fisher.hpp>
#include <pushforward/nn/module.hpp>

namespace pushforward {

/// x -> VonMisesFisher(h / |h|, 1 + softplus(r)): the network's output [.., d + 1] is h, then r. With the prior
/// SphericalUniform the encoder of a hyperspherical variational autoencoder (Davidson et al. 2018, sec. 4):
///
///     Vae(VonMisesFisherHead(Mlp({784, 400, 10 + 1}, rng)), BernoulliHead(Mlp({10, 400, 784}, rng)),
///         SphericalUniform(10))
///
/// Throws ShapeError if the output has fewer than three columns.
template <class Net>
struct VonMisesFisherHead {
  using Scalar = detail::scalar_of<Net>;
  Net net;

  explicit VonMisesFisherHead(Net network) : net(std::move(network)) {}

  VonMisesFisher<Scalar> operator()(const Tensor<Scalar>& x) const {
    const Tensor<Scalar> h = net(x);
    const Index d = h.rank() == 0 ? 0 : h.size(-1) - 1;
    if (d < 2)
      fail<ShapeError>("VonMisesFisherHead: the network gave shape ", h.shape(), ", expected [.., d + 1] with d > 1");
    return {detail::on_sphere(slice(h, -1, 0, d)), 1 + softplus(select(h, -1, d))};
  }

  static void members(auto& self, auto&& visit) { visit("net", self.net); }
};

}  // namespace pushforward
