#include <Eigen/SVD>

#include <pushforward/bijectors/residual.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Parameters of any size: the bound must not depend on them.
template <class S, class M>
M stirred(M model, double size, pf::Rng& rng) {
  pf::for_each_parameter<S>(model,
                            [&](const pf::Path&, pf::Parameter<S>& p) { p = pf::normal<S>(p.shape(), rng) * size; });
  return model;
}

template <class S>
pf::ResidualBlock<S> block(Index d, double size, pf::Rng& rng, pf::ResidualBlockOptions options = {.hidden = {9, 7}}) {
  return stirred<S>(pf::ResidualBlock<S>(d, rng, std::move(options)), size, rng);
}

// A block that stretches nearly as much as it may, in all directions: its series is slow.
pf::ResidualBlock<double> steep(Index d, pf::Rng& rng, pf::ResidualBlockOptions options) {
  options.hidden = {d};
  options.activation = pf::Activation::tanh;
  pf::ResidualBlock<double> b(d, rng, options);
  pf::for_each_parameter<double>(b, [&](const pf::Path& path, pf::Parameter<double>& p) {
    const Tensor<double> noise = pf::normal<double>(p.shape(), rng) * 0.2;
    p = path.name == "weight" ? Tensor<double>::eye(d) + noise : noise;
  });
  return b;
}

Eigen::VectorXd singular_values(const Tensor<double>& w) {
  return Eigen::MatrixXd(w.matrix()).jacobiSvd().singularValues();
}

// The Jacobian of g at a point [d].
Tensor<double> jacobian_of_move(const pf::ResidualBlock<double>& b, const Tensor<double>& x) {
  return pf::jacobian([&](const Tensor<double>& at) { return b.net()(at); }, x);
}

// Mean and standard error of numbers.
struct Moments {
  double sum = 0, squares = 0;
  Index n = 0;
  void add(double v) { sum += v, squares += v * v, ++n; }
  double mean() const { return sum / static_cast<double>(n); }
  double error() const {
    return std::sqrt((squares / static_cast<double>(n) - mean() * mean()) / static_cast<double>(n - 1));
  }
};

}  // namespace

TEST_CASE("the bound of a spectral norm is above it, by the factor that its formula allows") {
  pf::Rng rng(1);
  for (const auto& [rows, columns] : {std::pair<Index, Index>{1, 1}, {5, 1}, {1, 5}, {6, 4}, {4, 6}, {20, 20}})
    for (const double size : {1e-150, 1.0, 1e150})
      for (const Index squarings : {0, 1, 5}) {
        const Tensor<double> w = pf::normal<double>({rows, columns}, rng) * size;
        const double sigma = singular_values(w)(0), bound = pf::spectral_norm_bound(w, squarings).item();
        const double room =
            std::pow(static_cast<double>(std::min(rows, columns)), std::exp2(-2.0 - static_cast<double>(squarings)));
        CHECK(bound >= sigma * (1 - 1e-13));
        CHECK(bound <= sigma * room * (1 + 1e-13));
      }
  const Tensor<> single = pf::normal({30, 20}, rng) * 1e-25f;
  const auto exact = Eigen::MatrixXf(single.matrix() * 1e25f).jacobiSvd().singularValues()(0);
  CHECK(pf::spectral_norm_bound(single).item() * 1e25f == Approx(exact).epsilon(0.025));
  // Equal singular values are the worst case.
  CHECK(pf::spectral_norm_bound(Tensor<double>::eye(16) * 3, 3).item() == Approx(3 * std::pow(16.0, 1 / 32.0)));
  CHECK(pf::spectral_norm_bound(Tensor<>::zeros({3, 2})).item() == 0);
}

TEST_CASE("the bound of a spectral norm has gradients of order 3") {
  pf::Rng rng(2);
  auto bound = [](const Tensor<double>& w) { return pf::spectral_norm_bound(w, 3); };
  CHECK_NOTHROW(pf::testing::check_gradients(bound, pf::normal<double>({3, 4}, rng), {.order = 3}));
  CHECK_NOTHROW(pf::testing::check_gradients(bound, pf::normal<double>({4, 2}, rng), {.order = 3}));
}

TEST_CASE("a Lipschitz network keeps its constant whatever its weights are") {
  pf::Rng rng(3);
  for (const auto activation : {pf::Activation::silu, pf::Activation::tanh, pf::Activation::softplus})
    for (const double size : {0.1, 3.0, 100.0}) {
      const pf::LipschitzMlp<double> start({3, 20, 10, 3}, rng, {.coefficient = 0.8, .activation = activation});
      const auto net = stirred<double>(start, size, rng);
      const Tensor<double> x = pf::normal<double>({200, 3}, rng) * 2;
      for (const double distance : {1e-4, 1.0}) {
        const Tensor<double> step = pf::normal<double>({200, 3}, rng) * distance;
        const Tensor<double> change = net(x + step) - net(x);
        const Tensor<double> ratio = pf::norm(change, {-1}) / pf::norm(step, {-1});
        CHECK(ratio.max() <= 0.8 * (1 + 1e-9));
      }
      double steepest = 0;
      for (Index i = 0; i < 50; ++i) {
        const Tensor<double> j = pf::jacobian([&](const Tensor<double>& at) { return net(at); }, pf::select(x, 0, i));
        steepest = std::max(steepest, singular_values(j)(0));
      }
      CHECK(steepest <= 0.8);
      if (size < 1) CHECK(steepest > 1e-3);
    }
}

TEST_CASE("a Lipschitz network is W2 a(b (W1 x + b1)) / (1.1 b) + b2 with weights of bounded norm") {
  pf::Rng rng(4);
  const pf::LipschitzMlp<double> start({2, 5, 3}, rng, {.coefficient = 0.64, .squarings = 12});
  for (const double size : {0.05, 2.0}) {  // below the bound weights stay as they are
    const auto net = stirred<double>(start, size, rng);
    auto normalized = [](const Tensor<double>& w) {
      return Eigen::MatrixXd(w.matrix() * std::min(1.0, 0.8 / singular_values(w)(0)));
    };
    const Tensor<double> x = pf::normal<double>({2}, rng), y = net(x);
    const double b = std::log1p(std::exp(net.sharpness.item()));
    Eigen::VectorXd h = normalized(net.layers[0].weight) * Eigen::Vector2d(x(0), x(1));
    for (Index i = 0; i < 5; ++i) {
      const double z = h(i) + net.layers[0].bias(i);
      h(i) = z / (1 + std::exp(-b * z)) / 1.1;
    }
    h = normalized(net.layers[1].weight) * h;
    for (Index i = 0; i < 3; ++i) CHECK(y(i) == Approx(h(i) + net.layers[1].bias(i)).epsilon(2e-4));
  }
  CHECK(std::log1p(std::exp(start.sharpness.item())) == Approx(6).epsilon(1e-12));
}

TEST_CASE("contractions are inverted to rounding, with gradients of order 3 in points and numbers") {
  pf::Rng rng(5);
  const pf::ContractionMap<double> g = [](const Tensor<double>& x, const Tensor<double>& p) {
    return 0.4 * pf::tanh(pf::matmul(x, pf::tanh(pf::reshape(p, pf::Shape{2, 2}))));
  };
  auto solve = [&](const Tensor<double>& y, const Tensor<double>& p) {
    return pf::solve_contraction<double>(g, y, p, {.coefficient = 0.8});
  };
  const Tensor<double> y = pf::normal<double>({3, 2}, rng), p = pf::normal<double>({4}, rng);
  CHECK_NOTHROW(pf::testing::check_gradients(solve, {y, p}, {.order = 3}));
  const Tensor<double> far = pf::normal<double>({50, 2}, rng) * 1e3, x = solve(far, p);
  CHECK(pf::max(pf::abs(x + g(x, p) - far)).item() < 1e-11);
  const Tensor<double> coarse = pf::solve_contraction<double>(g, y, p, {.coefficient = 0.8, .tolerance = 1e-3});
  const double error = pf::max(pf::norm(coarse - solve(y, p), {-1})).item();
  CHECK(error > 1e-9);
  CHECK(error < 1e-3 * std::max(1.0, pf::max(pf::norm(y, {-1})).item()));
}

TEST_CASE("residual blocks invert, and their log-determinant is the Jacobian's, whatever their weights are") {
  pf::Rng rng(6);
  for (const Index d : {1, 2, 3, 5})
    for (const double size : {0.3, 2.0, 20.0})
      for (const pf::Shape& shape : {pf::Shape{3, d}, pf::Shape{2, 1, d}, pf::Shape{d}}) {
        const auto b = block<double>(d, size, rng);
        const Tensor<double> x = pf::normal<double>(shape, rng) * 2;
        CHECK_NOTHROW(pf::testing::check_bijector(b, x));
        CHECK(b.moved(x).to_vector() == b.forward(x).value.to_vector());
        CHECK(b.moved_back(x).to_vector() == b.inverse(x).value.to_vector());
      }
  for (const Index d : {1, 2, 4}) {
    const pf::ResidualBlock<> b(d, rng, {.hidden = {16}});
    CHECK_NOTHROW(pf::testing::check_bijector(b, pf::normal({3, d}, rng)));
  }
  CHECK_NOTHROW(pf::testing::check_bijector(block<double>(3, 1, rng, {.hidden = {}}), pf::normal<double>({2, 3}, rng)));
  CHECK_NOTHROW(pf::testing::check_bijector(block<double>(10, 1, rng), pf::normal<double>({2, 10}, rng)));
  for (const auto activation : {pf::Activation::tanh, pf::Activation::softplus})
    CHECK_NOTHROW(pf::testing::check_bijector(block<double>(2, 1, rng, {.hidden = {8}, .activation = activation}),
                                              pf::normal<double>({3, 2}, rng)));
  CHECK_NOTHROW(pf::testing::check_bijector(block<double>(2, 5, rng, {.hidden = {8}, .coefficient = 0.99}),
                                            pf::normal<double>({3, 2}, rng)));
}

TEST_CASE("residual blocks have gradients of order 2 in the data, in both directions") {
  pf::Rng rng(7);
  for (const Index d : {1, 2, 3}) {
    const auto b = block<double>(d, 0.8, rng, {.hidden = {6, 5}});
    auto there = [&](const Tensor<double>& x) {
      const auto y = b.forward(x);
      return pf::sum(pf::square(y.value), -1) + y.log_det;
    };
    auto back = [&](const Tensor<double>& y) {
      const auto x = b.inverse(y);
      return pf::sum(pf::square(x.value), -1) + x.log_det;
    };
    const Tensor<double> x = pf::normal<double>({2, d}, rng);
    CHECK_NOTHROW(pf::testing::check_gradients(there, x, {.order = 2}));
    CHECK_NOTHROW(pf::testing::check_gradients(back, x, {.order = 2}));
  }
}

TEST_CASE("gradients of residual blocks in their parameters are those of finite differences, in both directions") {
  pf::Rng rng(8);
  const Tensor<double> x = pf::normal<double>({3, 2}, rng);
  auto score = [&](const pf::ResidualBlock<double>& b) {
    const auto there = b.forward(x), back = b.inverse(x);
    return pf::sum(pf::square(there.value)) + 2 * pf::sum(pf::square(back.value)) + pf::sum(there.log_det) +
           3 * pf::sum(back.log_det);
  };
  const auto b = block<double>(2, 0.8, rng, {.hidden = {6, 5}});
  CHECK_NOTHROW(pf::testing::check_module(b, score));
  const auto gradients = pf::gradient(score(b), b);
  std::size_t which = 0;
  pf::for_each_parameter<double>(b, [&](const pf::Path&, const pf::Parameter<double>& p) {
    const Tensor<double> direction = pf::normal<double>(p.shape(), rng);
    auto shifted = [&](double step) {
      auto copy = b;
      std::size_t i = 0;
      pf::for_each_parameter<double>(copy, [&](const pf::Path&, pf::Parameter<double>& q) {
        if (i++ == which) q = q.tensor() + direction * step;
      });
      return score(copy).item();
    };
    const double expected = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
    CHECK(pf::sum(gradients[which] * direction).item() == Approx(expected).epsilon(1e-6).margin(1e-6));
    ++which;
  });
}

TEST_CASE("the power series of a residual block is its truncated series on average") {
  pf::Rng rng(9);
  constexpr Index terms = 3, rows = 20000;
  const auto b = steep(4, rng, {.log_det = {.method = pf::ResidualLogDet::power_series, .terms = terms}});
  CHECK(b.log_det_kind() == pf::LikelihoodKind::estimate);
  const Tensor<double> x = pf::normal<double>({4}, rng) * 0.5;
  const Eigen::MatrixXd j = jacobian_of_move(b, x).matrix();
  Eigen::MatrixXd power = j;
  double series = 0;
  for (Index k = 1; k <= terms; ++k, power = power * j)
    series += (k % 2 ? 1.0 : -1.0) * power.trace() / static_cast<double>(k);
  Moments found;
  for (double v : b.forward(pf::expand(x, pf::Shape{rows, 4}), rng).log_det) found.add(v);
  CHECK(std::abs(found.mean() - series) < 5 * found.error());
  // Near the exact one by the bound of the remainder (Behrmann et al. 2019, theorem 4).
  const double exact = b.forward(x).log_det.item(), remainder = 4 * std::pow(0.9, terms + 1) / (terms + 1) / (1 - 0.9);
  CHECK(std::abs(series - exact) < remainder);
  CHECK(std::abs(series - exact) > 10 * found.error());  // the bias is there, and would be seen
}

TEST_CASE("the roulette estimate of a residual block is unbiased") {
  // Finite variance needs c^2 < 1 - stop_probability. Of 4000 calls the mean has an error of one standard error; five
  // are exceeded by chance once in 1.7 million.
  pf::Rng rng(10);
  const auto b =
      steep(3, rng,
            {.coefficient = 0.7,
             .log_det = {.method = pf::ResidualLogDet::roulette, .certain_terms = 1, .stop_probability = 0.4}});
  const Tensor<double> x = pf::normal<double>({3}, rng) * 0.5, many = pf::expand(x, pf::Shape{8, 3});
  Moments forward, inverse;
  pf::NoGradient guard;
  const Tensor<double> y = b.forward(many).value;
  for (int call = 0; call < 4000; ++call) {
    forward.add(b.forward(many, rng).log_det.mean());
    if (call % 10 == 0) inverse.add(b.inverse(y, rng).log_det.mean());
  }
  const double exact = b.forward(x).log_det.item(), first = jacobian_of_move(b, x).matrix().trace();
  CHECK(std::abs(forward.mean() - exact) < 5 * forward.error());
  CHECK(std::abs(inverse.mean() + exact) < 5 * inverse.error());
  CHECK(std::abs(first - exact) > 10 * forward.error());  // the certain term alone is far away
}

TEST_CASE("gradients of the roulette estimate are unbiased, in the data and in the parameters") {
  pf::Rng rng(11);
  for (const auto kind : {pf::SeriesGradient::neumann, pf::SeriesGradient::terms}) {
    const auto b = steep(
        2, rng,
        {.coefficient = 0.7,
         .log_det = {
             .method = pf::ResidualLogDet::roulette, .certain_terms = 1, .stop_probability = 0.4, .gradient = kind}});
    const Tensor<double> x = pf::variable(pf::normal<double>({2}, rng));
    const Tensor<double> many = pf::expand(x, pf::Shape{16, 2});
    const Tensor<double>& weight = b.net().layers[0].weight;
    const auto expected = pf::gradient(pf::sum(b.forward(x).log_det), {x, weight});
    Moments data[2], parameter;
    for (int call = 0; call < 1500; ++call) {
      const auto found = pf::gradient(pf::mean(b.forward(many, rng).log_det), {x, weight});
      for (Index i = 0; i < 2; ++i) data[i].add(found[0](i));
      parameter.add(found[1](1, 0));
    }
    for (Index i = 0; i < 2; ++i) {
      CHECK(std::abs(data[i].mean() - expected[0](i)) < 5 * data[i].error());
      CHECK(data[i].error() < 0.2 * pf::norm(expected[0]).item());
    }
    CHECK(std::abs(parameter.mean() - expected[1](1, 0)) < 5 * parameter.error());
  }
}

TEST_CASE("a truncated series has gradients of order 2 where its terms are differentiated") {
  pf::Rng rng(12);
  const auto b = block<double>(
      3, 0.8, rng,
      {.hidden = {6},
       .log_det = {.method = pf::ResidualLogDet::power_series, .terms = 4, .gradient = pf::SeriesGradient::terms}});
  auto score = [&](const Tensor<double>& x) {
    pf::Rng same(3);
    return b.forward(x, same).log_det - b.inverse(x, same).log_det;
  };
  CHECK_NOTHROW(pf::testing::check_gradients(score, pf::normal<double>({2, 3}, rng), {.order = 2}));
}

TEST_CASE("estimates are the same bits for the same seed, and exact where few numbers make that cheap") {
  pf::Rng rng(13);
  const auto estimated = block<float>(9, 0.5, rng);  // automatic: more than 8 numbers
  CHECK(estimated.log_det_kind() == pf::LikelihoodKind::estimate);
  const Tensor<> x = pf::normal({6, 9}, rng);
  auto drawn = [&](std::uint64_t seed) {
    pf::Rng own(seed);
    return estimated.forward(x, own).log_det.to_vector();
  };
  CHECK(drawn(1) == drawn(1));
  CHECK(drawn(1) != drawn(2));
  const auto exact = block<float>(8, 0.5, rng);
  CHECK(exact.log_det_kind() == pf::LikelihoodKind::exact);
  const Tensor<> few = pf::normal({6, 8}, rng);
  CHECK(exact.forward(few, rng).log_det.to_vector() == exact.forward(few).log_det.to_vector());
}

TEST_CASE("no finite input makes a residual block produce NaN") {
  pf::Rng rng(14);
  const Tensor<> x{{5, 2}, {1e30f, -1e30f, 0.0f, 1e30f, 0.0f, 0.0f, -1e30f, -1e30f, 1e-30f, 0.0f}};
  for (const double size : {0.0, 0.5, 100.0}) {
    const auto b = block<float>(2, size, rng);
    const Tensor<> at = pf::variable(x);
    for (const auto& result : {b.forward(at), b.inverse(at)}) {
      for (float value : result.value) CHECK(std::isfinite(value));
      for (float value : result.log_det) CHECK(std::isfinite(value));
      if (result.log_det.tracked())
        for (float g : pf::gradient(pf::sum(result.log_det), at)) CHECK(std::isfinite(g));
    }
    const Tensor<> back = b.inverse(b.forward(x).value).value;
    for (Index i = 0; i < x.size(); ++i) CHECK(back.data()[i] == Approx(x.data()[i]).epsilon(1e-4).margin(1e25));
    CHECK(b.forward(Tensor<>::zeros({0, 2})).log_det.shape() == pf::Shape{0});
    CHECK(b.inverse(Tensor<>::zeros({0, 2})).value.shape() == pf::Shape{0, 2});
  }
}

TEST_CASE("residual blocks, Lipschitz networks and contractions refuse what does not fit") {
  pf::Rng rng(15);
  CHECK_THROWS_AS(pf::ResidualBlock<>(0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ResidualBlock<>(2, rng, {.hidden = {0}}), pf::ValueError);
  CHECK_THROWS_AS(pf::ResidualBlock<>(2, rng, {.activation = pf::Activation::relu}), pf::ValueError);
  for (const double c : {0.0, 1.0, -1.0, std::nan("")})
    CHECK_THROWS_AS(pf::ResidualBlock<>(2, rng, {.coefficient = c}), pf::ValueError);
  CHECK_THROWS_AS(pf::ResidualBlock<>(2, rng, {.tolerance = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::ResidualBlock<>(2, rng, {.log_det = {.terms = 0}}), pf::ValueError);
  CHECK_THROWS_AS(pf::ResidualBlock<>(2, rng, {.log_det = {.certain_terms = -1}}), pf::ValueError);
  CHECK_THROWS_AS(pf::ResidualBlock<>(2, rng, {.log_det = {.stop_probability = 0}}), pf::ValueError);
  const pf::ResidualBlock<> b(3, rng);
  CHECK_THROWS_AS(b.forward(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(b.inverse(Tensor<>::scalar(1)), pf::ShapeError);
  CHECK_THROWS_AS(pf::ResidualBlock<>().forward(Tensor<>::ones({4, 2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::LipschitzMlp<>({2}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::LipschitzMlp<>({2, 2}, rng, {.coefficient = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::LipschitzMlp<>({2, 2}, rng, {.sharpness = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::spectral_norm_bound(Tensor<>::ones({2})), pf::ShapeError);
  CHECK_THROWS_AS(pf::spectral_norm_bound(Tensor<>::ones({2, 2}), -1), pf::ValueError);
  const pf::ContractionMap<float> twice = [](const Tensor<>& x, const Tensor<>& p) { return x * p; };
  const Tensor<> y = Tensor<>::ones({3, 2}), two = Tensor<>::full({1}, 2);
  CHECK_THROWS_AS(pf::solve_contraction<float>(twice, y, two), pf::Error);  // it stretches, by 2
  CHECK_THROWS_AS(pf::solve_contraction<float>(twice, y, two, {.coefficient = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::solve_contraction<float>(twice, Tensor<>::ones({3}), two), pf::ShapeError);
}
