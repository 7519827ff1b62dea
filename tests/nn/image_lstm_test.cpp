#include <pushforward/nn/diagonal_lstm.hpp>
#include <pushforward/nn/row_lstm.hpp>

#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Index;
using support::Shape;

namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }

/// One LSTM step of channel u of image n at (i, j), from gates(gate) and the cell before.
template <class Gates>
std::pair<double, double> lstm(const Gates& gates, double cell) {
  const double c = logistic(gates(1)) * cell + logistic(gates(0)) * std::tanh(gates(2));
  return {logistic(gates(3)) * std::tanh(c), c};
}

/// The sum over taps of a kernel at (i, j), zeros outside; taps(r, s) is where row i - up + r, column j - left + s is.
double correlate(const Tensor<double>& x, const Tensor<double>& w, Index n, Index o, Index i, Index j) {
  double total = 0;
  for (Index c = 0; c < w.size(1); ++c)
    for (Index r = 0; r < w.size(2); ++r)
      for (Index s = 0; s < w.size(3); ++s)
        if (i + r >= 0 && i + r < x.size(2) && j + s >= 0 && j + s < x.size(3))
          total += w(o, c, r, s) * x(n, c, i + r, j + s);
  return total;
}

/// A layer's result pixel by pixel.
template <class S, class Layer>
Tensor<S> stepped(const Layer& layer, const Tensor<S>& x) {
  const Index n = x.size(0), h = x.size(2), w = x.size(3);
  typename Layer::Cache cache(layer, n, w);
  std::vector<Tensor<S>> pixels;
  for (Index i = 0; i < h; ++i)
    for (Index j = 0; j < w; ++j) pixels.push_back(layer.step(pf::select(pf::select(x, 2, i), 2, j), {i, j, 1}, cache));
  return pf::reshape(pf::stack(pixels, 2), Shape{n, layer.units(), h, w});
}

/// Which pixels of x the result at (i, j) depends on.
template <class Layer>
Tensor<double> seen(const Layer& layer, const Tensor<double>& x, Index i, Index j) {
  const Tensor<double> v = pf::variable(x);
  return pf::gradient(pf::sum(pf::select(pf::select(layer(v), 2, i), 2, j)), v);
}

}  // namespace

TEST_CASE("a RowLSTM is an LSTM down the rows with convolutions along them") {
  pf::Rng rng(1);
  const pf::RowLSTM<double> layer(3, 2, rng);
  const Tensor<double> x = pf::normal<double>({2, 3, 4, 5}, rng), y = layer(x);
  REQUIRE(y.shape() == Shape{2, 2, 4, 5});
  const Tensor<double> w_in = layer.input.used_weight();
  std::vector<double> hidden(2 * 2 * 4 * 5), cell(hidden.size());
  const auto at = [](Index n, Index u, Index i, Index j) {
    return static_cast<std::size_t>(((n * 2 + u) * 4 + i) * 5 + j);
  };
  for (Index i = 0; i < 4; ++i)
    for (Index n = 0; n < 2; ++n)
      for (Index j = 0; j < 5; ++j)
        for (Index u = 0; u < 2; ++u) {
          const auto gate = [&](Index g) {
            double total = layer.input.bias.tensor()(g * 2 + u) + correlate(x, w_in, n, g * 2 + u, i, j - 1);
            for (Index c = 0; c < 2 && i > 0; ++c)
              for (Index s = 0; s < 3; ++s)
                if (j - 1 + s >= 0 && j - 1 + s < 5)
                  total += layer.state.weight.tensor()(g * 2 + u, c, 0, s) * hidden[at(n, c, i - 1, j - 1 + s)];
            return total;
          };
          const auto [h, c] = lstm(gate, i > 0 ? cell[at(n, u, i - 1, j)] : 0.0);
          hidden[at(n, u, i, j)] = h;
          cell[at(n, u, i, j)] = c;
          CHECK(y(n, u, i, j) == Catch::Approx(h).margin(1e-12));
        }
}

TEST_CASE("a DiagonalLSTM is an LSTM whose state comes from above and from the left") {
  pf::Rng rng(2);
  const pf::DiagonalLSTM<double> layer(3, 2, rng);
  for (const auto& [height, width] : {std::pair<Index, Index>{4, 5}, {5, 2}, {1, 3}, {3, 1}}) {
    const Tensor<double> x = pf::normal<double>({1, 3, height, width}, rng), y = layer(x);
    REQUIRE(y.shape() == Shape{1, 2, height, width});
    const Tensor<double> weight = layer.state_weight.tensor(), w_in = layer.input.used_weight();
    std::vector<double> cell(static_cast<std::size_t>(2 * height * width));
    const auto place = [w = width](Index i, Index j, Index u) { return static_cast<std::size_t>((i * w + j) * 2 + u); };
    for (Index i = 0; i < height; ++i)
      for (Index j = 0; j < width; ++j)
        for (Index u = 0; u < 2; ++u) {
          const auto gate = [&, i = i, j = j](Index g) {
            double total = layer.input.bias.tensor()(g * 2 + u) + correlate(x, w_in, 0, g * 2 + u, i, j);
            for (Index c = 0; c < 2; ++c) {
              if (i > 0) total += weight(g * 2 + u, c, 0) * y(0, c, i - 1, j);
              if (j > 0) total += weight(g * 2 + u, c, 1) * y(0, c, i, j - 1);
            }
            return total;
          };
          const auto [h, c] = lstm(gate, j > 0 ? cell[place(i, j - 1, u)] : 0.0);
          cell[place(i, j, u)] = c;
          CHECK(y(0, u, i, j) == Catch::Approx(h).margin(1e-12));
        }
  }
}

TEST_CASE("skewing moves row i by i places, and back") {
  const Tensor<double> x({1, 3, 2}, {1, 2, 3, 4, 5, 6});
  CHECK(pf::skew(x).to_vector() == std::vector<double>{1, 2, 0, 0, 0, 3, 4, 0, 0, 0, 5, 6});
  CHECK(pf::skew(x).shape() == Shape{1, 3, 4});
  CHECK(pf::unskew(pf::skew(x)).to_vector() == x.to_vector());
}

TEST_CASE("a RowLSTM sees a triangle, a DiagonalLSTM a rectangle, both together all that comes before") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({1, 2, 4, 7}, rng);
  const pf::RowLSTM<double> row(2, 3, rng);
  const pf::DiagonalLSTM<double> diagonal(2, 3, rng);
  const pf::DiagonalBiLSTM<double> both(2, 3, rng);
  const Tensor<double> by_row = seen(row, x, 2, 3), by_diagonal = seen(diagonal, x, 2, 3),
                       by_both = seen(both, x, 2, 3);
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 7; ++j)
      for (Index c = 0; c < 2; ++c) {
        const Index above = 2 - i;
        CHECK((by_row(0, c, i, j) != 0) == (above >= 0 && j >= 2 - above && j <= 3 + above));
        CHECK((by_diagonal(0, c, i, j) != 0) == (i <= 2 && j <= 3));
        CHECK((by_both(0, c, i, j) != 0) == (i < 2 || (i == 2 && j <= 3)));
      }
}

TEMPLATE_TEST_CASE("recurrent layers over images give the same bits pixel by pixel, on any threads", "", float,
                   double) {
  using S = TestType;
  pf::Rng rng(4);
  const int before = pf::num_threads();
  for (const int threads : {1, 2}) {
    pf::set_num_threads(threads);
    for (const Index units : {1, 6, 24})
      for (const Index n : {1, 5}) {
        const Tensor<S> x = pf::normal<S>({n, 6, 5, 7}, rng);
        const pf::RowLSTM<S> row(6, units, rng);
        const pf::DiagonalLSTM<S> diagonal(6, units, rng);
        const pf::DiagonalBiLSTM<S> both(6, units, rng);
        CHECK(stepped(row, x).to_vector() == row(x).to_vector());
        CHECK(stepped(diagonal, x).to_vector() == diagonal(x).to_vector());
        CHECK(stepped(both, x).to_vector() == both(x).to_vector());
      }
  }
  pf::set_num_threads(before);
}

TEST_CASE("recurrent layers over images have gradients of order two, and name their parameters") {
  pf::Rng rng(5);
  const Tensor<double> x = pf::normal<double>({1, 2, 3, 2}, rng);
  const pf::RowLSTM<double> row(2, 2, rng);
  const pf::DiagonalBiLSTM<double> both(2, 2, rng);
  pf::testing::check_gradients([&](const Tensor<double>& at) { return row(at); }, x, {.order = 2});
  pf::testing::check_gradients([&](const Tensor<double>& at) { return both(at); }, x, {.order = 2});
  pf::testing::check_gradients(
      [&](const Tensor<double>& w) {
        auto moved = row;
        static_cast<Tensor<double>&>(moved.state.weight) = w;
        return moved(x);
      },
      row.state.weight.tensor(), {.order = 2});
  pf::testing::check_module(row, x);
  pf::testing::check_module(both, x);
}

TEST_CASE("colors of a pixel see those before them in recurrent layers") {
  pf::Rng rng(6);
  const Tensor<double> x = pf::normal<double>({1, 6, 2, 3}, rng);
  const pf::RowLSTM<double> row(6, 3, rng, {.colors = 3});
  const pf::DiagonalBiLSTM<double> both(6, 3, rng, {.colors = 3});
  for (Index u = 0; u < 3; ++u)
    for (Index c = 0; c < 6; ++c) {
      const Tensor<double> v = pf::variable(x);
      CHECK((pf::gradient(pf::sum(pf::select(pf::select(pf::select(row(v), 1, u), 1, 1), 1, 1)), v)(0, c, 1, 1) != 0) ==
            (c / 2 <= u));
      CHECK((pf::gradient(pf::sum(pf::select(pf::select(pf::select(both(v), 1, u), 1, 1), 1, 1)), v)(0, c, 1, 1) !=
             0) == (c / 2 <= u));
    }
  CHECK_THROWS_AS(pf::RowLSTM<>(6, 4, rng, {.colors = 3}), pf::ShapeError);
  CHECK_THROWS_AS(row(Tensor<double>::ones({1, 5, 2, 3})), pf::ShapeError);
  CHECK_THROWS_AS(both(Tensor<double>::ones({6, 2, 3})), pf::ShapeError);
  pf::RowLSTM<double>::Cache row_cache(row, 1, 3);
  pf::DiagonalBiLSTM<double>::Cache both_cache(both, 1, 3);
  CHECK_THROWS_AS(row.step(Tensor<double>::ones({2, 6}), {0, 0, 1}, row_cache), pf::ShapeError);
  CHECK_THROWS_AS(row.step(Tensor<double>::ones({1, 6}), {0, 3, 1}, row_cache), pf::ShapeError);
  CHECK_THROWS_AS(both.step(Tensor<double>::ones({1, 5}), {0, 0, 1}, both_cache), pf::ShapeError);
  CHECK_THROWS_AS(both.step(Tensor<double>::ones({3, 6}), {0, 0, 3}, both_cache), pf::ValueError);
}
