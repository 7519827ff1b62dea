#include <pushforward/bijectors/conditional_autoregressive.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Tensor;

namespace {

constexpr pf::SplineOptions spline{.bins = 4, .bound = 3};

template <class S>
pf::ConditionalMaskedMlp<S> network(Index d, Index c, Index outputs, std::vector<Index> order, pf::Rng& rng,
                                    std::vector<Index> hidden = {13, 9}) {
  return {{.features = d,
           .context = c,
           .outputs = outputs,
           .hidden = std::move(hidden),
           .activation = pf::Activation::tanh,
           .order = std::move(order)},
          rng};
}

// Orders of d features: natural, reversed, and shuffled.
std::vector<std::vector<Index>> orders(Index d, pf::Rng& rng) {
  std::vector<Index> backwards, shuffled = pf::permutation(d, rng).to_vector();
  for (Index i = d; i-- > 0;) backwards.push_back(i);
  return {{}, backwards, shuffled};
}

// Calls visit(layer) with an affine and a spline layer in each order, and their inverses.
template <class S, class Visit>
void for_each_layer(Index d, Index c, pf::Rng& rng, const Visit& visit) {
  for (const auto& order : orders(d, rng)) {
    const pf::ConditionalMaskedAutoregressive<S> affine(network<S>(d, c, 2, order, rng), {.max_log_scale = 1.5});
    const pf::ConditionalSplineAutoregressive<S> splines(network<S>(d, c, pf::spline_numbers(spline), order, rng),
                                                         spline);
    visit(affine);
    visit(splines);
    visit(pf::ConditionalInverse(affine));
    visit(pf::ConditionalInverse(splines));
  }
}

// What the outputs of a network depend on: the Jacobian of output o in (context, features), nonzero or not.
std::vector<bool> dependence(const pf::ConditionalMaskedMlp<double>& net, Index o, pf::Rng& rng) {
  const Index c = net.context(), d = net.features();
  const Tensor<double> jacobian = pf::jacobian(
      [&](const Tensor<double>& all) {
        return pf::select(net(pf::slice(all, 0, c, c + d), pf::slice(all, 0, 0, c)), 0, o);
      },
      pf::normal<double>({c + d}, rng));
  std::vector<bool> depends;
  for (double slope : jacobian) depends.push_back(slope != 0);
  return depends;
}

}  // namespace

TEST_CASE("a conditional masked network sees the whole context, and earlier features only") {
  pf::Rng rng(1);
  for (const std::vector<Index>& hidden : {std::vector<Index>{}, {12}, {12, 8}, {3}})
    for (const auto& order : orders(4, rng)) {
      const auto net = network<double>(4, 2, 3, order, rng, hidden);
      for (Index j = 0; j < 3; ++j)
        for (Index place = 0; place < 4; ++place) {
          const auto depends = dependence(net, j * 4 + net.feature(place), rng);
          CHECK((depends[0] && depends[1]));
          for (Index other = 0; other < 4; ++other) {
            const bool seen = depends[static_cast<std::size_t>(2 + net.feature(other))];
            // Three units leave one degree without a unit, so that some features are not seen.
            if (other >= place) CHECK_FALSE(seen);
            if (other < place && hidden != std::vector<Index>{3}) CHECK(seen);
          }
        }
    }
}

TEST_CASE("a conditional masked network computes the same feature by feature") {
  pf::Rng rng(2);
  for (const std::vector<Index>& hidden : {std::vector<Index>{}, {12}, {7, 30}, {2}})
    for (const Index d : {1, 2, 5})
      for (const auto& order : orders(d, rng)) {
        const auto net = network<double>(d, 3, 2, order, rng, hidden);
        const Tensor<double> x = pf::normal<double>({6, d}, rng), context = pf::normal<double>({6, 3}, rng);
        const Tensor<double> expected = net(x, context);
        double worst = 0;
        for (auto steps = net.steps(context); steps.more();) {
          const Index i = steps.feature();
          const Tensor<double> found = steps.outputs();
          for (Index r = 0; r < 6; ++r)
            for (Index j = 0; j < 2; ++j) worst = std::max(worst, std::abs(found(r, j) - expected(r, j * d + i)));
          steps.set(x.data() + i, d);
        }
        CHECK(worst < 1e-13);
      }
}

TEST_CASE("conditional autoregressive bijectors invert, and their log-determinant is the Jacobian's, in any order") {
  pf::Rng rng(3);
  for (const Index d : {1, 2, 4}) {
    for_each_layer<double>(d, 2, rng, [&](const auto& layer) {
      CHECK_NOTHROW(
          pf::testing::check_bijector(layer.given(pf::normal<double>({2}, rng)), pf::normal<double>({3, d}, rng)));
    });
    for_each_layer<float>(d, 2, rng, [&](const auto& layer) {
      CHECK_NOTHROW(pf::testing::check_bijector(layer.given(pf::normal({2}, rng)), pf::normal({3, d}, rng)));
    });
  }
}

TEST_CASE("rows of contexts belong to rows of events, recorded or not, and broadcast over leading axes") {
  pf::Rng rng(4);
  for_each_layer<double>(3, 2, rng, [&](const auto& layer) {
    const Tensor<double> x = pf::normal<double>({2, 4, 3}, rng);
    for (const pf::Shape& shape : {pf::Shape{2}, pf::Shape{4, 2}, pf::Shape{2, 1, 2}, pf::Shape{2, 4, 2}}) {
      const Tensor<double> context = pf::normal<double>(shape, rng);
      const Tensor<double> full = pf::expand(context, pf::Shape{2, 4, 2});
      for (const bool recorded : {true, false}) {
        const pf::detail::FlagGuard guard(pf::detail::recording_flag(), recorded);
        const auto y = layer.given(context).forward(x), back = layer.given(context).inverse(x);
        double worst = 0;
        for (Index i = 0; i < 2; ++i)
          for (Index j = 0; j < 4; ++j) {
            auto part = [&](const Tensor<double>& t) { return pf::select(pf::select(t, 0, i), 0, j); };
            const auto one = layer.given(part(full));
            const auto there = one.forward(part(x)), here = one.inverse(part(x));
            for (const Tensor<double>& gap : {there.value - part(y.value), there.log_det - part(y.log_det),
                                              here.value - part(back.value), here.log_det - part(back.log_det)})
              worst = std::max(worst, pf::max(pf::abs(gap)).item());
          }
        CHECK(worst < 1e-12);
      }
    }
    CHECK(layer.given(pf::normal<double>({2}, rng)).forward(Tensor<double>::zeros({0, 3})).log_det.size() == 0);
  });
}

TEST_CASE("conditional autoregressive bijectors have gradients of order 2 in events and contexts") {
  pf::Rng rng(5);
  for_each_layer<double>(2, 2, rng, [&](const auto& layer) {
    auto score = [&](const Tensor<double>& x, const Tensor<double>& context) {
      const auto there = layer.given(context).forward(x), back = layer.given(context).inverse(x);
      return pf::sum(pf::square(there.value) + pf::square(back.value), -1) + there.log_det - 2 * back.log_det;
    };
    const Tensor<double> x = pf::normal<double>({2, 2}, rng), context = pf::normal<double>({2, 2}, rng);
    CHECK_NOTHROW(pf::testing::check_gradients(score, {x, context}, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_module(layer, [&](const auto& l) {
      const auto back = l.given(context).inverse(x);
      return pf::sum(back.value, -1) + back.log_det;
    }));
  });
}

TEST_CASE("an autoregressive spline without context inverts, and its log-determinant is the Jacobian's") {
  pf::Rng rng(6);
  for (const auto order : {pf::FeatureOrder::natural, pf::FeatureOrder::random}) {
    const pf::MaskedMlp<double> net(
        {.features = 3, .outputs = pf::spline_numbers(spline), .hidden = {12}, .order = order}, rng);
    const pf::SplineAutoregressive<pf::MaskedMlp<double>> b(net, 3, spline);
    CHECK_NOTHROW(pf::testing::check_bijector(b, pf::normal<double>({2, 2, 3}, rng)));
    const Tensor<double> x = pf::normal<double>({5, 3}, rng), recorded = b.forward(x).value;
    pf::NoGradient guard;
    CHECK(pf::max(pf::abs(b.forward(x).value - recorded)).item() < 1e-12);
    // Number i of y goes through rational_quadratic with the raw numbers that the network makes of y.
    const Tensor<double> raw = pf::transpose(pf::reshape(net(recorded), pf::Shape{5, pf::spline_numbers(spline), 3}));
    CHECK(pf::max(pf::abs(pf::rational_quadratic(x, raw, spline).value - recorded)).item() < 1e-12);
  }
}

TEST_CASE("no finite input makes a conditional autoregressive bijector produce NaN") {
  pf::Rng rng(7);
  const Tensor<> x{{4, 2}, {1e30f, 0.0f, 0.0f, 1e30f, -1e30f, 1e30f, 3e38f, 3e38f}};
  for_each_layer<float>(2, 1, rng, [&](const auto& layer) {
    pf::NoGradient guard;
    for (const auto& y : {layer.given(Tensor<>{1.0f}).forward(x), layer.given(Tensor<>{1.0f}).inverse(x)}) {
      for (float value : y.value) CHECK_FALSE(std::isnan(value));
      for (float value : y.log_det) CHECK(std::isfinite(value));
    }
  });
}

TEST_CASE("conditional autoregressive bijectors refuse networks, contexts and events that do not fit") {
  pf::Rng rng(8);
  CHECK_THROWS_AS(network<float>(0, 2, 2, {}, rng), pf::ValueError);
  CHECK_THROWS_AS(network<float>(2, 0, 2, {}, rng), pf::ValueError);
  CHECK_THROWS_AS(network<float>(2, 2, 0, {}, rng), pf::ValueError);
  CHECK_THROWS_AS(network<float>(2, 2, 2, {}, rng, {0}), pf::ValueError);
  CHECK_THROWS_AS(network<float>(2, 2, 2, {0, 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(network<float>(2, 2, 2, {0}, rng), pf::ValueError);
  const auto net = network<float>(3, 2, 2, {}, rng);
  CHECK_THROWS_AS(pf::ConditionalSplineAutoregressive<>(net, spline), pf::ValueError);
  CHECK_THROWS_AS(pf::ConditionalMaskedAutoregressive<>(net, {.max_log_scale = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::ConditionalMaskedAutoregressive<>(network<float>(3, 2, 1, {}, rng)), pf::ValueError);
  CHECK_THROWS_AS(net.steps(Tensor<>::ones({4, 3})), pf::ShapeError);
  CHECK_THROWS_AS(net(Tensor<>::ones({4, 2}), Tensor<>::ones({2})), pf::ShapeError);
  CHECK_THROWS_AS(net(Tensor<>::ones({4, 3}), Tensor<>::ones({3})), pf::ShapeError);
  for_each_layer<float>(3, 2, rng, [&](const auto& layer) {
    const Tensor<> x = Tensor<>::ones({4, 3});
    CHECK_THROWS_AS(layer.given(Tensor<>::scalar(1)), pf::ShapeError);
    for (const bool recorded : {true, false}) {
      const pf::detail::FlagGuard guard(pf::detail::recording_flag(), recorded);
      CHECK_THROWS_AS(layer.given(Tensor<>::ones({3})).forward(x), pf::ShapeError);
      CHECK_THROWS_AS(layer.given(Tensor<>::ones({5, 2})).forward(x), pf::ShapeError);
      CHECK_THROWS_AS(layer.given(Tensor<>::ones({4, 2})).forward(Tensor<>::ones({8, 3})), pf::ShapeError);
      CHECK_THROWS_AS(layer.given(Tensor<>::ones({2})).inverse(Tensor<>::ones({4, 2})), pf::ShapeError);
    }
  });
  const pf::MaskedMlp<> few({.features = 3, .outputs = 1}, rng);
  const pf::SplineAutoregressive<> misfit(few, 3, spline);
  CHECK_THROWS_AS(misfit.inverse(Tensor<>::ones({4, 3})), pf::ShapeError);
  CHECK_THROWS_AS(misfit.forward(Tensor<>::ones({4, 3})), pf::ShapeError);
  pf::NoGradient guard;
  CHECK_THROWS_AS(misfit.forward(Tensor<>::ones({4, 3})), pf::ShapeError);
}
