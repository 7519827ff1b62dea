// FlowHead: an encoder whose posterior is a normal distribution carried through a flow.
#pragma once

#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/distributions/transformed.hpp>
#include <pushforward/models/heads.hpp>

namespace pushforward {

/// A bijector that belongs to someone else, who must outlive it. A copy of a module would hold copies of its weights,
/// which gradients do not leave.
template <class Bijector>
class Borrowed {
 public:
  using Scalar = detail::scalar_of<Bijector>;
  explicit Borrowed(const Bijector& owner) : owner_(&owner) {}

  auto forward(const Tensor<Scalar>& x) const { return owner_->forward(x); }
  auto inverse(const Tensor<Scalar>& y) const { return owner_->inverse(y); }

  static void members(auto&, auto&&) {}

 private:
  const Bijector* owner_;
};

/// x -> the distribution of f(u), u ~ head(x), with a trained bijector f (Rezende and Mohamed 2015, sec. 3): a
/// posterior that is more than normal.
///
///     Vae(FlowHead(GaussianHead(Mlp({784, 400, 2 * 20}, rng)),
///                  real_nvp({.features = 20, .layers = 4, .hidden = {64}}, rng).bijector()), decoder, 20)
///
/// The distribution refers to the head, which must outlive it. Its draws need f's forward direction only.
template <class Head, class Bijector>
struct FlowHead {
  using Scalar = detail::scalar_of<Head>;
  Head head;
  Bijector bijector;

  FlowHead(Head base, Bijector flow) : head(std::move(base)), bijector(std::move(flow)) {}

  auto operator()(const Tensor<Scalar>& x) const { return Transformed(head(x), Borrowed<Bijector>(bijector)); }

  static void members(auto& self, auto&& visit) {
    visit("head", self.head);
    visit("bijector", self.bijector);
  }
};

}  // namespace pushforward
