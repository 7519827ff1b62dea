// GatedResidual: the residual block of PixelCNN++ and PixelSNAIL.
#pragma once

#include <pushforward/models/autoregressive/image_passes.hpp>
#include <pushforward/nn/dropout.hpp>

namespace pushforward::detail {

// elu(x, -x) over the channels, axis 1.
template <class S>
Tensor<S> concat_elu(const Tensor<S>& x) {
  return elu(concat({x, -x}, 1));
}

// y = x + a sigmoid(b) with (a, b) = second(f(first(f(x)) + beside(f(z)))) + of the class, where f = concat_elu
// (Salimans et al. 2017, section 2.5, after van den Oord et al. 2016b).
template <class S>
struct GatedResidual {
  ShiftedConv2d<S> first, second, beside;
  Parameter<S> classes;  // [classes, 2 features], or none
  Dropout dropout{0};

  GatedResidual() = default;
  // `first` and `second` are built by make(in, out); `from` channels come in from beside, 0 for none.
  template <class Make>
  GatedResidual(Index features, Index from, Index class_count, double p, Rng& rng, const Make& make)
      : first(make(2 * features, features)), second(make(2 * features, 2 * features)), dropout{p} {
    if (from > 0) beside = ShiftedConv2d<S>(2 * from, features, 1, rng);
    if (class_count > 0) classes = normal<S>({class_count, 2 * features}, rng) * 0.05;
    second.weight = second.weight.tensor() * 0.1;  // near the identity at first
    second.bias = second.bias.tensor() * 0.1;
  }

  template <class Pass>
  Tensor<S> operator()(Pass& pass, const Tensor<S>& x, Index scale) const {
    return finish(pass, x, pass.conv(first, concat_elu(x), scale), scale);
  }
  template <class Pass>
  Tensor<S> operator()(Pass& pass, const Tensor<S>& x, const Tensor<S>& z, Index scale) const {
    const Tensor<S> h = pass.conv(first, concat_elu(x), scale);
    return finish(pass, x, h + pass.conv(beside, concat_elu(z), scale), scale);
  }

  static void members(auto& self, auto&& visit) {
    visit("first", self.first);
    visit("second", self.second);
    visit("beside", self.beside);
    visit("classes", self.classes);
    visit("dropout", self.dropout);
  }

 private:
  template <class Pass>
  Tensor<S> finish(Pass& pass, const Tensor<S>& x, const Tensor<S>& h, Index scale) const {
    Tensor<S> both = pass.conv(second, pass.dropout(concat_elu(h), dropout), scale);
    if (!classes.empty()) both = both + pass.of_class(classes, scale);
    const auto [a, b] = split<2>(both, 1);
    return x + a * sigmoid(b);
  }
};

}  // namespace pushforward::detail
