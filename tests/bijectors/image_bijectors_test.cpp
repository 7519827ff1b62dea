#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/glow_step.hpp>
#include <pushforward/bijectors/pixel_logit.hpp>
#include <pushforward/nn/conv.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::ChannelScale;
using pf::Index;
using pf::Keep;
using pf::Tensor;

namespace {

constexpr Keep every_keep[] = {Keep::first_half, Keep::second_half, Keep::even, Keep::odd};

template <class B, class S>
void check_images(const B& bijector, const Tensor<S>& x) {
  pf::testing::check_bijector(bijector, x, {.event_rank = 3});
}

// A network that ignores its input: shows the coupling's own arithmetic.
template <class S>
struct GivenImages {
  using Scalar = S;
  Tensor<S> raw;
  Tensor<S> operator()(const Tensor<S>&) const { return raw; }
};

template <class S = double>
pf::Conv2d<S> conv_net(Index in, Index out, pf::Rng& rng) {
  return {in, out, 3, rng, {.padding = pf::same_padding(3)}};
}

template <class S>
Tensor<S> as(const Tensor<double>& x) {
  return Tensor<S>::generate(x.shape(), [&](Index i) { return static_cast<S>(x.data()[i]); });
}

template <class S>
void check_all(pf::Rng& rng) {
  const Tensor<S> x = pf::normal<S>({2, 3, 2, 3}, rng), even = pf::normal<S>({2, 2, 4, 2}, rng);
  for (const auto order : {pf::SqueezeOrder::rows, pf::SqueezeOrder::checkerboard})
    CHECK_NOTHROW(check_images(pf::Squeeze{order}, even));
  CHECK_NOTHROW(check_images(pf::InvertibleConvolution<S>(3, rng), x));
  pf::ChannelActNorm<S> norm(3);
  norm.initialize(pf::normal<S>({4, 3, 2, 3}, rng) * 3 + 1);
  CHECK_NOTHROW(check_images(norm, x));
  for (const Keep keep : every_keep) {
    const Index kept = pf::kept_features(3, keep), moved = 3 - kept;
    for (const auto scale : {ChannelScale::sigmoid, ChannelScale::exponential})
      CHECK_NOTHROW(
          check_images(pf::ChannelCoupling(conv_net<S>(kept, 2 * moved, rng), 3, {.keep = keep, .scale = scale}), x));
    CHECK_NOTHROW(check_images(
        pf::ChannelCoupling(conv_net<S>(kept, moved, rng), 3, {.keep = keep, .scale = ChannelScale::none}), x));
  }
  CHECK_NOTHROW(check_images(pf::PixelLogit<S>(0.05), 2 * x));
  pf::GlowStep step(conv_net<S>(1, 4, rng), 3, rng);
  step.initialize(pf::normal<S>({4, 3, 2, 3}, rng) * 2 - 1);
  CHECK_NOTHROW(check_images(step, x));
}

}  // namespace

TEST_CASE("bijectors of images invert each other and their log-determinant is the Jacobian's") {
  pf::Rng rng(1);
  check_all<double>(rng);
  check_all<float>(rng);
}

TEST_CASE("a squeeze puts each pixel of a block into a channel of its own") {
  const Tensor<double> x = Tensor<double>::arange(0, 32);  // [1, 2, 4, 4]: 16 c + 4 row + column
  const Tensor<double> images = pf::reshape(x, {1, 2, 4, 4});
  const Tensor<double> rows = pf::Squeeze{}.forward(images).value;
  REQUIRE(rows.shape() == pf::Shape{1, 8, 2, 2});
  for (Index c = 0; c < 8; ++c)
    for (Index i = 0; i < 2; ++i)
      for (Index j = 0; j < 2; ++j) CHECK(rows(0, c, i, j) == images(0, c / 4, 2 * i + c % 4 / 2, 2 * j + c % 2));
}

TEST_CASE("in the order of a checkerboard the halves are its colors, and even channels the upper pixels") {
  for (const Index channels : {1, 3}) {
    const Tensor<double> rows =
        Tensor<double>::generate({1, channels, 4, 6}, [](Index i) { return static_cast<double>(i / 6 % 4); });
    const Tensor<double> colors =
        Tensor<double>::generate({1, channels, 4, 6}, [](Index i) { return static_cast<double>((i / 6 + i % 6) % 2); });
    const pf::Squeeze squeeze{pf::SqueezeOrder::checkerboard};
    const Tensor<double> row = squeeze.forward(rows).value, color = squeeze.forward(colors).value;
    for (Index c = 0; c < 4 * channels; ++c)
      for (Index i = 0; i < 2; ++i)
        for (Index j = 0; j < 3; ++j) {
          CHECK(color(0, c, i, j) == (c < 2 * channels ? 0 : 1));
          CHECK(static_cast<Index>(row(0, c, i, j)) % 2 == c % 2);
        }
  }
}

TEST_CASE("the normalization of channels gives each mean 0 and variance 1 on its first batch, once") {
  pf::Rng rng(2);
  const Tensor<double> scale{{3, 1, 1}, {0.1, 1, 7}}, y = pf::normal<double>({16, 3, 5, 5}, rng) * scale + scale;
  pf::ChannelActNorm<double> norm(3);
  norm.initialize(y);
  const Tensor<double> x = norm.inverse(y).value;
  for (Index c = 0; c < 3; ++c) {
    CHECK(std::abs(pf::select(x, 1, c).mean()) < 1e-12);
    CHECK(pf::var(pf::reshape(pf::select(x, 1, c), {400}), 0).item() == Catch::Approx(1).epsilon(1e-3));  // + 1e-6
  }
  const Tensor<double> before = norm.shift;
  norm.initialize(y * 5);
  CHECK(pf::sum(pf::abs(norm.shift - before)).item() == 0);
}

TEST_CASE("an invertible convolution multiplies each pixel by its matrix, a rotation at first") {
  pf::Rng rng(3);
  const pf::InvertibleConvolution<double> mix(5, rng);
  const Tensor<double> w = mix.matrix(), x = pf::normal<double>({2, 5, 3, 4}, rng), y = mix.forward(x).value;
  for (Index n = 0; n < 2; ++n)
    for (Index o = 0; o < 5; ++o)
      for (Index i = 0; i < 3; ++i)
        for (Index j = 0; j < 4; ++j) {
          double expected = 0;
          for (Index c = 0; c < 5; ++c) expected += w(o, c) * x(n, c, i, j);
          CHECK(y(n, o, i, j) == Catch::Approx(expected).margin(1e-12));
        }
  const Tensor<double> identity = Tensor<double>::eye(5);
  CHECK(pf::max(pf::abs(pf::matmul(w, pf::transpose(w)) - identity)).item() < 1e-12);
  CHECK(pf::max(pf::abs(pf::matmul(w, mix.inverse_matrix()) - identity)).item() < 1e-12);
}

TEST_CASE("a coupling of channels computes (y + t) s with s = sigmoid(r + 2), in images of any size") {
  pf::Rng rng(4);
  for (const Index size : {1, 3, 20, 40}) {
    for (const Keep keep : every_keep) {
      const Tensor<double> y = pf::normal<double>({2, 5, size, 3}, rng);
      const Index moved = 5 - pf::kept_features(5, keep);
      const Tensor<double> raw = pf::normal<double>({2, 2 * moved, size, 3}, rng) * 3;
      const pf::ChannelCoupling coupling(GivenImages<double>{raw}, 5, {.keep = keep});
      const auto x = coupling.inverse(y);
      bool same = true;
      for (Index n = 0; n < 2; ++n) {
        double log_det = 0;
        Index at = 0;
        for (Index c = 0; c < 5; ++c) {
          const bool kept = keep == Keep::first_half    ? c < 2
                            : keep == Keep::second_half ? c >= 2
                            : keep == Keep::even        ? c % 2 == 0
                                                        : c % 2 == 1;
          for (Index i = 0; i < size; ++i)
            for (Index j = 0; j < 3; ++j) {
              if (kept) {
                same &= x.value(n, c, i, j) == y(n, c, i, j);
                continue;
              }
              const double s = 1 / (1 + std::exp(-raw(n, at, i, j) - 2));
              same &= std::abs(x.value(n, c, i, j) - (y(n, c, i, j) + raw(n, moved + at, i, j)) * s) < 1e-12;
              log_det += std::log(s);
            }
          at += kept ? 0 : 1;
        }
        CHECK(x.log_det(n) == Catch::Approx(log_det));
      }
      CHECK(same);
    }
  }
}

TEST_CASE("couplings of channels have gradients of order 3 in the images and in what the network puts out") {
  pf::Rng rng(5);
  for (const auto scale : {ChannelScale::sigmoid, ChannelScale::exponential})
    for (const Keep keep : {Keep::first_half, Keep::odd}) {
      auto inverse = [&](const auto& y, const auto& raw) {
        const auto x = pf::ChannelCoupling(GivenImages<double>{raw}, 3, {.keep = keep, .scale = scale}).inverse(y);
        return pf::sum(x.value * x.value * 0.5, {1, 2, 3}) + x.log_det;
      };
      auto forward = [&](const auto& x, const auto& raw) {
        const auto y = pf::ChannelCoupling(GivenImages<double>{raw}, 3, {.keep = keep, .scale = scale}).forward(x);
        return pf::sum(y.value * y.value * 0.5, {1, 2, 3}) + y.log_det;
      };
      const Index moved = 3 - pf::kept_features(3, keep);
      const Tensor<double> x = pf::normal<double>({2, 3, 1, 2}, rng),
                           raw = pf::normal<double>({2, 2 * moved, 1, 2}, rng);
      CHECK_NOTHROW(pf::testing::check_gradients(inverse, {x, raw}, {.order = 3}));
      CHECK_NOTHROW(pf::testing::check_gradients(forward, {x, raw}, {.order = 3}));
    }
}

TEST_CASE("a step of Glow is its three parts one after the other, with gradients of order 2 in every parameter") {
  pf::Rng rng(6);
  pf::GlowStep step(conv_net(1, 4, rng), 3, rng);
  step.initialize(pf::normal<double>({8, 3, 2, 2}, rng) * 2 + 0.5);
  const Tensor<double> y = pf::normal<double>({2, 3, 2, 2}, rng);
  const auto whole = step.inverse(y);
  const auto a = step.norm.inverse(y), b = step.mix.forward(a.value), c = step.coupling.inverse(b.value);
  CHECK(pf::max(pf::abs(whole.value - c.value)).item() < 1e-12);
  CHECK(pf::max(pf::abs(whole.log_det - (a.log_det + b.log_det + c.log_det))).item() < 1e-12);

  CHECK_NOTHROW(pf::testing::check_module(step, [&](const auto& s) {
    const auto x = s.inverse(y);
    return pf::sum(pf::square(x.value)) + pf::sum(x.log_det);
  }));

  auto density = [&](const auto& shift, const auto& log_scale, const auto& lower, const auto& upper, const auto& s) {
    auto at = step;
    static_cast<Tensor<double>&>(at.norm.shift) = shift;
    static_cast<Tensor<double>&>(at.norm.log_scale) = log_scale;
    static_cast<Tensor<double>&>(at.mix.weight.lower) = lower;
    static_cast<Tensor<double>&>(at.mix.weight.upper) = upper;
    static_cast<Tensor<double>&>(at.mix.weight.log_scale) = s;
    const auto x = at.inverse(y);
    const auto back = at.forward(y);
    return pf::sum(pf::square(x.value), {1, 2, 3}) * -0.5 + x.log_det + pf::sum(pf::sin(back.value), {1, 2, 3}) +
           0.3 * back.log_det;
  };
  const pf::LuLinear<double>& w = step.mix.weight;
  CHECK_NOTHROW(pf::testing::check_gradients(density,
                                             {step.norm.shift.tensor(), step.norm.log_scale.tensor(), w.lower.tensor(),
                                              w.upper.tensor(), w.log_scale.tensor()},
                                             {.order = 2}));
}

TEST_CASE("float couplings of channels agree with double ones, and their gradients too") {
  pf::Rng rng(7);
  for (const auto scale : {ChannelScale::sigmoid, ChannelScale::exponential})
    for (const Keep keep : every_keep) {
      const Tensor<double> x = pf::normal<double>({3, 6, 9, 7}, rng), raw = pf::normal<double>({3, 6, 9, 7}, rng) * 2;
      auto found = [&](const auto& at, const auto& by) {
        using S = typename std::remove_cvref_t<decltype(at)>::Scalar;
        const auto a = pf::variable(at), b = pf::variable(by);
        const auto z = pf::ChannelCoupling(GivenImages<S>{b}, 6, {.keep = keep, .scale = scale}).inverse(a);
        const auto g = pf::gradient(pf::sum(pf::square(z.value)) + pf::sum(z.log_det), {a, b});
        return std::vector<Tensor<S>>{z.value, z.log_det, g[0], g[1]};
      };
      const auto exact = found(x, raw);
      const auto fast = found(as<float>(x), as<float>(raw));
      for (std::size_t k = 0; k < exact.size(); ++k)
        for (Index i = 0; i < exact[k].size(); ++i)
          REQUIRE(static_cast<double>(fast[k].data()[i]) ==
                  Catch::Approx(exact[k].data()[i]).epsilon(1e-4).margin(5e-4));
    }
}

TEST_CASE("extreme answers of a network leave couplings of channels finite, and NaN stays visible") {
  for (const auto scale : {ChannelScale::sigmoid, ChannelScale::exponential}) {
    const Tensor<> x{{1, 2, 1, 2}, {1.0f, 1e20f, -1e20f, 3.0f}};
    for (const float r : {-3e38f, -100.0f, 100.0f, 3e38f}) {
      const Tensor<> raw{{1, 2, 1, 2}, {r, r, 1.0f, 0.0f}};
      const pf::ChannelCoupling coupling(GivenImages<float>{raw}, 2, {.scale = scale});
      for (const auto& y : {coupling.forward(x), coupling.inverse(x)}) {
        for (float value : y.value) CHECK(std::isfinite(value));
        CHECK(std::isfinite(y.log_det(0)));
      }
      CHECK(coupling.inverse(x).log_det(0) == -coupling.forward(x).log_det(0));
    }
    const Tensor<> bad = Tensor<>::full({1, 2, 1, 2}, std::nanf(""));
    CHECK(std::isnan(pf::ChannelCoupling(GivenImages<float>{bad}, 2, {.scale = scale}).inverse(x).log_det(0)));
  }
}

TEST_CASE("the logit of pixels reaches both ends of their range, and nothing lies beyond") {
  const pf::PixelLogit<> logit(1e-6);
  const Tensor<> x{{1, 4}, {-0.5f, -0.25f, 0.0f, 0.49999997f}};
  const auto y = logit.inverse(x);
  for (Index i = 0; i < 4; ++i) {
    const double p = 1e-6 + (1 - 2e-6) * (static_cast<double>(x(0, i)) + 0.5);
    CHECK(y.value(0, i) == Catch::Approx(std::log(p / (1 - p))).epsilon(1e-5));
  }
  CHECK(std::isfinite(y.log_det(0)));
  CHECK(logit.inverse(Tensor<>{{1, 1}, {0.6f}}).log_det(0) == -std::numeric_limits<float>::infinity());
  for (const float size : {100.0f, 3e38f}) {
    const auto far = logit.forward(Tensor<>{{1, 2}, {size, -size}});
    CHECK(far.value(0, 0) == Catch::Approx(0.5).epsilon(1e-5));
    CHECK(far.value(0, 1) == Catch::Approx(-0.5).epsilon(1e-5));
    CHECK_FALSE(std::isnan(far.log_det(0)));
  }
  CHECK_THROWS_AS(pf::PixelLogit<>(0.5), pf::ValueError);
  CHECK_THROWS_AS(pf::PixelLogit<>(0), pf::ValueError);
}

TEST_CASE("the logit of pixels lets no draw leave the range, whatever rounds to its ends") {
  pf::Rng rng(9);
  for (const double margin : {1e-9, 1e-6, 0.05, 0.49}) {
    const pf::PixelLogit<> logit(margin);
    const double bound = 0.5 / (1 - 2 * margin);
    const float inf = std::numeric_limits<float>::infinity();
    const Tensor<> y = pf::concat({30 * pf::normal({1, 500}, rng), Tensor<>{{1, 4}, {3e38f, -3e38f, inf, -inf}}}, 1);
    const Tensor<> x = logit.forward(y).value;
    CHECK(static_cast<double>(pf::max(pf::abs(x)).item()) < bound);
    const auto back = logit.inverse(x);
    CHECK(std::isfinite(back.log_det(0)));
    // Where y is not next to an end, it comes back: an error of half a float in x is one of the slope times it in y.
    for (Index i = 0; i < y.size(); ++i) {
      const double at = static_cast<double>(x.data()[i]), left = bound - std::abs(at);
      const double slope = 2 * bound / (left * (bound + std::abs(at))), error = 6e-8 * std::abs(at) * slope;
      if (error < 0.1)
        CHECK(back.value.data()[i] == Catch::Approx(y.data()[i]).epsilon(1e-6).margin(1.2 * error));
      else
        CHECK(std::abs(back.value.data()[i]) > 10);
    }
  }
}

TEST_CASE("values and gradients of the logit of pixels are right up to the last number inside") {
  const double margin = 1e-6, bound = 0.5 / (1 - 2 * margin);
  const pf::PixelLogit<> logit(margin);
  const float last = logit.forward(Tensor<>{{1, 1}, {100}}).value.item();
  CHECK(static_cast<double>(last) < bound);
  CHECK(static_cast<double>(std::nextafter(last, 1.0f)) >= bound);
  for (const float at : {last, std::nextafter(last, 0.0f), 0.5f, 0.25f, 1e-20f, -1e-20f, -0.5f, -last}) {
    const Tensor<> x = pf::variable(Tensor<>{{1, 1}, {at}});
    const auto y = logit.inverse(x);
    const double u = static_cast<double>(at), slope = 2 * bound / ((bound - u) * (bound + u));
    CHECK(y.value.item() == Catch::Approx(std::log1p(2 * u / (bound - u))).epsilon(1e-6));
    CHECK(y.log_det.item() == Catch::Approx(std::log(slope)).epsilon(1e-6));
    CHECK(pf::gradient(pf::sum(y.value), x).item() == Catch::Approx(slope).epsilon(1e-6));
    CHECK(pf::gradient(pf::sum(y.log_det), x).item() == Catch::Approx(slope * u / bound).epsilon(1e-6));
  }
  for (const float size : {0.0f, -3.0f, 16.0f, 30.0f, -80.0f}) {
    const Tensor<> y = pf::variable(Tensor<>{{1, 1}, {size}});
    const auto x = logit.forward(y);
    const double e = std::exp(-std::abs(static_cast<double>(size))), slope = 2 * bound * e / ((1 + e) * (1 + e));
    CHECK(pf::gradient(pf::sum(x.value), y).item() == Catch::Approx(slope).epsilon(1e-6));
    CHECK(x.log_det.item() == Catch::Approx(std::log(slope)).epsilon(1e-6));
  }
  const pf::PixelLogit<double> exact(0.05);
  const Tensor<double> x{{1, 4}, {-0.5, -0.2, 0.1, 0.52}}, y{{1, 3}, {-3, 0.5, 2}};
  const auto both = [](const auto& moved) { return pf::sum(pf::square(moved.value)) + pf::sum(moved.log_det); };
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const Tensor<double>& at) { return both(exact.inverse(at)); }, x, {.order = 2}));
  CHECK_NOTHROW(
      pf::testing::check_gradients([&](const Tensor<double>& at) { return both(exact.forward(at)); }, y, {.order = 2}));
}

TEST_CASE("normalizations start from data whose squares overflow") {
  pf::Rng rng(10);
  for (const float size : {1e20f, 1e37f, 1e-3f}) {
    const Tensor<> y = pf::normal({20, 3, 4, 4}, rng) * size + size;
    pf::ChannelActNorm<> channels(3);
    channels.initialize(y);
    const Tensor<> x = channels.inverse(y).value;
    CHECK(pf::max(pf::abs(pf::mean(x, {0, 2, 3}))).item() < 1e-4);
    // A variance of 1e-6 has the 1e-6 added that keeps constant channels finite.
    CHECK(pf::max(pf::abs(pf::var(x, {0, 2, 3}) - (size < 1 ? 0.5 : 1.0))).item() < (size < 1 ? 0.2 : 1e-3));
    pf::ActNorm<> numbers(4);
    numbers.initialize(y);
    const Tensor<> z = numbers.inverse(y).value;
    CHECK(pf::max(pf::abs(pf::mean(z, {0, 1, 2}))).item() < 1e-4);
    CHECK(pf::max(pf::abs(pf::var(z, {0, 1, 2}) - (size < 1 ? 0.5 : 1.0))).item() < (size < 1 ? 0.2 : 1e-3));
  }
}

TEST_CASE("bijectors of images refuse images, channels and networks that do not fit") {
  pf::Rng rng(8);
  CHECK_THROWS_AS(pf::Squeeze{}.forward(Tensor<>::ones({1, 1, 27, 28})), pf::ShapeError);
  CHECK_THROWS_AS(pf::Squeeze{}.forward(Tensor<>::ones({1, 1, 28, 29})), pf::ShapeError);
  CHECK_THROWS_AS(pf::Squeeze{}.forward(Tensor<>::ones({4, 4})), pf::ShapeError);
  CHECK_THROWS_AS(pf::Squeeze{}.inverse(Tensor<>::ones({1, 6, 2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::ChannelActNorm<>(0), pf::ValueError);
  CHECK_THROWS_AS(pf::ChannelActNorm<>(3).forward(Tensor<>::ones({1, 4, 2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::ChannelActNorm<>(3).initialize(Tensor<>::ones({3, 3})), pf::ShapeError);
  CHECK_THROWS_AS(pf::ChannelActNorm<>(1).initialize(Tensor<>::full({1, 1, 1, 1}, std::nanf(""))), pf::ValueError);
  CHECK_THROWS_AS(pf::InvertibleConvolution<>(0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::InvertibleConvolution<>(3, rng).forward(Tensor<>::ones({1, 2, 2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::InvertibleConvolution<>(3, rng).inverse(Tensor<>::ones({3, 2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::ChannelCoupling(conv_net<float>(1, 2, rng), 1), pf::ValueError);
  CHECK_THROWS_AS(pf::ChannelCoupling(conv_net<float>(1, 2, rng), 2, {.max_log_scale = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::ChannelCoupling(conv_net<float>(1, 3, rng), 2).forward(Tensor<>::ones({1, 2, 2, 2})),
                  pf::ShapeError);
  CHECK_THROWS_AS(pf::ChannelCoupling(conv_net<float>(1, 2, rng), 2).forward(Tensor<>::ones({1, 3, 2, 2})),
                  pf::ShapeError);
  CHECK_THROWS_AS(pf::GlowStep(conv_net<float>(1, 2, rng), 2, rng).inverse(Tensor<>::ones({1, 3, 2, 2})),
                  pf::ShapeError);
}
