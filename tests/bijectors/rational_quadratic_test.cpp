#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/rational_quadratic.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Keep;
using pf::SplineOptions;
using pf::Tensor;

namespace {

Tensor<> to_float(const Tensor<double>& x) {
  return Tensor<>::generate(x.shape(), [&](Index i) { return static_cast<float>(x.data()[i]); });
}

Tensor<double> to_double(const Tensor<>& x) {
  return Tensor<double>::generate(x.shape(), [&](Index i) { return static_cast<double>(x.data()[i]); });
}

// The spline by its textbook formula (Durkan et al. 2019, eq. 4), one number at a time.
struct Textbook {
  std::vector<double> x, y, d;

  Textbook(const double* raw, const SplineOptions& options) {
    const Index k = options.bins;
    auto knots = [&](const double* r) {
      double total = 0, at = -options.bound;
      for (Index i = 0; i < k; ++i) total += std::exp(r[i]);
      std::vector<double> all{at};
      for (Index i = 0; i < k; ++i) {
        const double share =
            options.min_size + (1 - static_cast<double>(k) * options.min_size) * std::exp(r[i]) / total;
        all.push_back(at += 2 * options.bound * share);
      }
      return all;
    };
    x = knots(raw);
    y = knots(raw + k);
    d.push_back(1);
    for (Index i = 0; i + 1 < k; ++i)
      d.push_back(options.min_slope + std::log1p(std::exp(raw[2 * k + i]) * std::expm1(1 - options.min_slope)));
    d.push_back(1);
  }
  // {f(x), f'(x)}.
  std::pair<double, double> operator()(double at) const {
    std::size_t k = 0;
    while (k + 2 < x.size() && at >= x[k + 1]) ++k;
    const double w = x[k + 1] - x[k], h = y[k + 1] - y[k], s = h / w, u = (at - x[k]) / w, v = 1 - u;
    const double below = s + (d[k + 1] + d[k] - 2 * s) * u * v;
    return {y[k] + h * (s * u * u + d[k] * u * v) / below,
            s * s * (d[k + 1] * u * u + 2 * s * u * v + d[k] * v * v) / (below * below)};
  }
};

// A network that ignores its input.
template <class S>
struct Given {
  using Scalar = S;
  Tensor<S> raw;
  Tensor<S> operator()(const Tensor<S>&) const { return raw; }
};

pf::Mlp<double> network(Index in, Index out, pf::Rng& rng) {
  return pf::Mlp<double>({in, 16, out}, rng, {.activation = pf::Activation::tanh});
}

}  // namespace

TEST_CASE("a spline has the textbook's values and slopes, whatever its number of bins") {
  pf::Rng rng(1);
  for (const Index bins : {2, 3, 8, 64}) {
    const SplineOptions options{.bins = bins, .bound = 2.5};
    const Tensor<double> x = pf::uniform<double>({70, 3}, rng, -2.5, 2.5),
                         raw = 2 * pf::normal<double>({70, 3, pf::spline_numbers(options)}, rng);
    const auto found = pf::rational_quadratic(x, raw, options);
    for (Index i = 0; i < 70; ++i) {
      double log_det = 0;
      for (Index j = 0; j < 3; ++j) {
        const auto [y, slope] = Textbook(raw.data() + (i * 3 + j) * raw.size(-1), options)(x(i, j));
        REQUIRE(found.value(i, j) == Approx(y).margin(1e-9));
        log_det += std::log(slope);
      }
      REQUIRE(found.log_det(i) == Approx(log_det).margin(1e-7));
    }
  }
}

TEST_CASE("raw zeros are the identity, and so is every spline outside of its bound") {
  pf::Rng rng(2);
  const SplineOptions options{.bins = 5, .bound = 2};
  const Tensor<double> inside = pf::uniform<double>({50, 2}, rng, -2, 2);
  const auto same = pf::rational_quadratic(inside, Tensor<double>::zeros({14}), options);
  CHECK(pf::max(pf::abs(same.value - inside)).item() < 1e-14);
  CHECK(pf::max(pf::abs(same.log_det)).item() < 1e-14);
  const Tensor<double> outside{{3, 2}, {2.0001, -2.0001, 1e9, -1e300, 3.0, -7.0}};
  for (const auto& result : {pf::rational_quadratic(outside, pf::normal<double>({14}, rng), options),
                             pf::rational_quadratic_inverse(outside, pf::normal<double>({14}, rng), options)}) {
    CHECK(result.value.to_vector() == outside.to_vector());
    CHECK(result.log_det.to_vector() == std::vector<double>(3, 0.0));
  }
}

TEST_CASE("a spline rises from bound to bound without a jump, in value and slope, also at knots and edges") {
  pf::Rng rng(3);
  const SplineOptions options{.bins = 6, .bound = 3};
  const Tensor<double> raw = 1.5 * pf::normal<double>({17}, rng);
  const Textbook textbook(raw.data(), options);
  std::vector<double> at{-3.0, 3.0};
  for (const double knot : textbook.x) at.insert(at.end(), {knot - 1e-10, knot, knot + 1e-10});
  std::sort(at.begin(), at.end());
  const Tensor<double> x({static_cast<Index>(at.size()), 1}, at);
  const auto y = pf::rational_quadratic(x, raw, options);
  for (Index i = 1; i < x.size(); ++i) {
    CHECK(y.value.data()[i] >= y.value.data()[i - 1]);
    const bool near = at[static_cast<std::size_t>(i)] - at[static_cast<std::size_t>(i - 1)] < 1e-9;
    if (near) CHECK(y.log_det.data()[i] == Approx(y.log_det.data()[i - 1]).margin(1e-6));
    if (near) CHECK(y.value.data()[i] == Approx(y.value.data()[i - 1]).margin(1e-6));
  }
  const auto ends = pf::rational_quadratic(Tensor<double>{{2, 1}, {-3.0, 3.0}}, raw, options);
  CHECK(ends.value(0, 0) == Approx(-3.0).epsilon(1e-14));
  CHECK(ends.value(1, 0) == Approx(3.0).epsilon(1e-14));
  CHECK(ends.log_det(0) == Approx(0.0).margin(1e-12));
  CHECK(ends.log_det(1) == Approx(0.0).margin(1e-12));
}

TEST_CASE("splines, couplings of them and chains of those are bijectors") {
  pf::Rng rng(4);
  pf::RationalQuadratic<double> spline(4, {.bins = 6, .bound = 2});
  pf::for_each_parameter<double>(
      spline, [&](const pf::Path&, pf::Parameter<double>& p) { p = pf::normal<double>(p.shape(), rng); });
  CHECK_NOTHROW(pf::testing::check_bijector(spline, 1.5 * pf::normal<double>({5, 4}, rng)));
  for (const Index d : {2, 3, 5, 8})
    for (const Keep keep : {Keep::first_half, Keep::second_half, Keep::even, Keep::odd}) {
      const Index kept = pf::kept_features(d, keep);
      const pf::SplineCoupling coupling(network(kept, (d - kept) * 23, rng), d, {.keep = keep, .spline = {.bound = 2}});
      CHECK_NOTHROW(pf::testing::check_bijector(coupling, 1.5 * pf::normal<double>({3, d}, rng)));
      CHECK_NOTHROW(pf::testing::check_bijector(pf::Compose(coupling, pf::RationalQuadratic<double>(d)),
                                                1.5 * pf::normal<double>({2, 2, d}, rng)));
    }
}

TEST_CASE("a spline has gradients of order 2 in its argument and in its raw numbers, in both directions") {
  pf::Rng rng(5);
  const SplineOptions options{.bins = 4, .bound = 2};
  auto forward = [&](const auto& at, const auto& by) {
    const auto y = pf::rational_quadratic(at, by, options);
    return pf::sum(pf::square(y.value), -1) + 1.3 * y.log_det;
  };
  auto inverse = [&](const auto& at, const auto& by) {
    const auto y = pf::rational_quadratic_inverse(at, by, options);
    return pf::sum(pf::square(y.value), -1) + 1.3 * y.log_det;
  };
  const Tensor<double> x = 1.5 * pf::normal<double>({4, 3}, rng), raw = pf::normal<double>({4, 3, 11}, rng);
  CHECK_NOTHROW(pf::testing::check_gradients(forward, {x, raw}, {.order = 2}));
  CHECK_NOTHROW(pf::testing::check_gradients(inverse, {x, raw}, {.order = 2}));
  const Tensor<double> shared = pf::normal<double>({3, 11}, rng);  // one spline for all rows
  CHECK_NOTHROW(pf::testing::check_gradients(inverse, {x, shared}, {.order = 2}));
  const pf::SplineCoupling coupling(network(2, 3 * 11, rng), 5, {.spline = options});
  auto density = [&](const Tensor<double>& at) {
    const auto z = coupling.inverse(at);
    return -0.5 * pf::sum(pf::square(z.value), -1) + z.log_det;
  };
  CHECK_NOTHROW(pf::testing::check_gradients(density, pf::normal<double>({2, 5}, rng), {.order = 2}));
}

TEST_CASE("float splines, vectorized, agree with double ones in values and gradients") {
  pf::Rng rng(6);
  const SplineOptions options{.bins = 8, .bound = 3};
  for (const Index d : {1, 3, 40}) {
    const Tensor<> x = 1.5f * pf::normal({100, d}, rng), raw = pf::normal({100, d, 23}, rng);
    auto results = [&](const auto& at, const auto& by) {
      const auto a = pf::variable(at), b = pf::variable(by);
      const auto y = pf::rational_quadratic(a, b, options), z = pf::rational_quadratic_inverse(a, b, options);
      std::vector all{y.value, y.log_det, z.value, z.log_det};
      for (std::size_t i = 0; i < 4; ++i)
        for (const auto& g : pf::gradient(pf::sum(all[i]), {a, b})) all.push_back(g);
      return all;
    };
    const auto exact = results(to_double(x), to_double(raw));
    const auto fast = results(x, raw);
    for (std::size_t k = 0; k < exact.size(); ++k) {
      Index far = 0;
      for (Index i = 0; i < exact[k].size(); ++i) {
        const double expected = exact[k].data()[i], error = std::abs(fast[k].data()[i] - expected);
        REQUIRE(error <= 1e-2 * std::max(1.0, std::abs(expected)));  // slopes and curvatures of small bins are large
        far += error > 1e-4 * std::max(1.0, std::abs(expected)) ? 1 : 0;
      }
      CHECK(far <= exact[k].size() / 100);
    }
  }
}

TEST_CASE("a float goes through a spline and back within its precision") {
  pf::Rng rng(7);
  const SplineOptions options{.bins = 8, .bound = 4};
  const Tensor<> x = pf::uniform({4000, 1}, rng, -4.5f, 4.5f), raw = 1.5f * pf::normal({4000, 1, 23}, rng);
  const auto y = pf::rational_quadratic(x, raw, options);
  const auto back = pf::rational_quadratic_inverse(y.value, raw, options);
  // An error e of the value, a few roundings of numbers as large as the bound, is one of e / f' of the argument.
  const float rounding = 8 * 4.5f * std::numeric_limits<float>::epsilon();
  for (Index i = 0; i < x.size(); ++i) {
    const float slope = std::exp(y.log_det.data()[i]);
    CHECK(std::abs(back.value.data()[i] - x.data()[i]) <= rounding * (1 + 1 / slope));
  }
}

TEMPLATE_TEST_CASE("no finite numbers make a spline or its gradients NaN", "", float, double) {
  using S = TestType;
  pf::Rng rng(8);
  const SplineOptions options{.bins = 8, .bound = 3};
  const S most = std::numeric_limits<S>::max();
  std::vector<S> at{0, -3, 3, std::nextafter(S(3), S(4)), std::nextafter(S(-3), S(-4)), S(1e-30), most, -most, 1, -2.5};
  for (const S size : {S(1), S(50), S(1e4), S(1e30), most}) {
    const Index n = 40 * static_cast<Index>(at.size());
    const Tensor<S> x = pf::variable(Tensor<S>::generate(
                        {n, 1}, [&](Index i) { return at[static_cast<std::size_t>(i) % at.size()]; })),
                    raw = pf::variable(Tensor<S>::generate(
                        {n, 1, 23}, [&](Index) { return size * (S(rng.uniform_index(3)) - S(1)); }));
    for (const auto& y : {pf::rational_quadratic(x, raw, options), pf::rational_quadratic_inverse(x, raw, options)}) {
      for (const S value : y.value) REQUIRE(std::isfinite(value));
      for (const S value : y.log_det) REQUIRE(std::isfinite(value));
      for (const auto& g : pf::gradient(pf::sum(y.log_det) + pf::sum(y.value * S(0.1)), {x, raw}))
        for (const S value : g) REQUIRE(std::isfinite(value));
    }
  }
}

TEST_CASE("splines with raw numbers of +-50 still invert and keep their log-determinants") {
  pf::Rng rng(9);
  const SplineOptions options{.bins = 8, .bound = 3};
  const Tensor<double> x = pf::uniform<double>({500, 1}, rng, -3, 3);
  const Tensor<double> raw = Tensor<double>::generate(
      {500, 1, 23}, [&](Index) { return 50.0 * (static_cast<double>(rng.uniform_index(3)) - 1); });
  const auto y = pf::rational_quadratic(x, raw, options);
  const auto back = pf::rational_quadratic_inverse(y.value, raw, options);
  for (Index i = 0; i < 500; ++i) {
    const double slope = std::exp(y.log_det.data()[i]);
    CHECK(std::abs(back.value.data()[i] - x.data()[i]) <= 1e-13 * (1 + 1 / slope));
  }
  // In float the value's rounding moves a point across a steep bin; what comes out still lies where the spline does.
  const auto rough = pf::rational_quadratic(to_float(x), to_float(raw), options);
  const auto again = pf::rational_quadratic(pf::rational_quadratic_inverse(rough.value, to_float(raw), options).value,
                                            to_float(raw), options);
  CHECK(pf::max(pf::abs(rough.value)).item() <= 3.001f);
  Index far = 0;
  for (Index i = 0; i < 500; ++i) far += std::abs(again.value.data()[i] - rough.value.data()[i]) > 0.02f ? 1 : 0;
  CHECK(far == 0);
}

TEST_CASE("a coupling leaves what it keeps untouched, and gives each moved number its own spline") {
  pf::Rng rng(10);
  const SplineOptions options{.bins = 3, .bound = 2};
  const Tensor<double> x = pf::normal<double>({6, 5}, rng), raw = pf::normal<double>({6, 2 * 8}, rng);
  const auto y = pf::SplineCoupling(Given<double>{raw}, 5, {.keep = Keep::even, .spline = options}).forward(x);
  const auto expected = pf::rational_quadratic(pf::slice(x, -1, 1, 5, 2), pf::reshape(raw, {6, 2, 8}), options);
  for (Index i = 0; i < 6; ++i) {
    for (const Index j : {0, 2, 4}) CHECK(y.value(i, j) == x(i, j));
    for (const Index j : {0, 1}) CHECK(y.value(i, 2 * j + 1) == expected.value(i, j));
    CHECK(y.log_det(i) == Approx(expected.log_det(i)));
  }
}

TEST_CASE("what makes no spline is refused, with a word on what would") {
  pf::Rng rng(11);
  const Tensor<> x = Tensor<>::ones({4, 2});
  CHECK_THROWS_AS(pf::rational_quadratic(x, Tensor<>::ones({4, 2, 22})), pf::ShapeError);
  CHECK_THROWS_AS(pf::rational_quadratic(x, Tensor<>::ones({3, 2, 23})), pf::ShapeError);
  CHECK_THROWS_AS(pf::rational_quadratic(Tensor<>::scalar(1), Tensor<>::ones({23})), pf::ShapeError);
  CHECK_THROWS_AS(pf::RationalQuadratic<>(2, {.bins = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::RationalQuadratic<>(2, {.bins = 65}), pf::ValueError);
  CHECK_THROWS_AS(pf::RationalQuadratic<>(2, {.bound = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::RationalQuadratic<>(2, {.bins = 10, .min_size = 0.1}), pf::ValueError);
  CHECK_THROWS_AS(pf::RationalQuadratic<>(2, {.min_slope = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::RationalQuadratic<>(3).forward(x), pf::ShapeError);
  CHECK_THROWS_AS(pf::SplineCoupling(pf::Mlp<>({1, 22}, rng), 2).forward(x), pf::ShapeError);
  CHECK_THROWS_AS(pf::SplineCoupling(pf::Mlp<>({1, 23}, rng), 2).forward(Tensor<>::ones({4, 3})), pf::ShapeError);
  CHECK(pf::rational_quadratic(Tensor<>::ones({0, 2}), Tensor<>::ones({23})).log_det.shape() == pf::Shape{0});
}
