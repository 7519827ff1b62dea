#include <algorithm>
#include <cmath>
#include <vector>

#include <pushforward/autodiff/functional.hpp>
#include <pushforward/data/preprocessing.hpp>
#include <pushforward/ops/matmul.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;

namespace {

// log |f'| of an elementwise f from central differences, summed over one row.
template <class F>
double log_det_by_differences(const F& f, const pf::Tensor<double>& row) {
  double total = 0;
  for (Index j = 0; j < row.size(); ++j) {
    const double h = 1e-6 * std::min(row(0, j), 1.0);
    const auto moved = [&](double by) {
      std::vector<double> values = row.to_vector();
      values[static_cast<std::size_t>(j)] += by;
      return f(pf::Tensor<double>(row.shape(), values)).value(0, j);
    };
    total += std::log((moved(h) - moved(-h)) / (2 * h));
  }
  return total;
}

}  // namespace

TEST_CASE("dequantized pixels fill the interval of their level") {
  pf::Rng rng(1);
  const auto x = pf::Tensor<>::generate({256, 40}, [](Index i) { return static_cast<float>(i / 40) / 255.0f; });
  const pf::Tensor<> y = pf::data::dequantize(x, rng);
  double offset = 0;
  for (Index k = 0; k < 256; ++k)
    for (Index j = 0; j < 40; ++j) {
      CHECK(std::floor(static_cast<double>(y(k, j)) * 256) == static_cast<double>(k));
      offset += static_cast<double>(y(k, j)) * 256 - static_cast<double>(k);
    }
  CHECK(offset / 10240 == Catch::Approx(0.5).margin(5 * std::sqrt(1.0 / 12 / 10240)));
  CHECK(y.max() < 1);
  const pf::Tensor<> two = pf::data::dequantize(pf::Tensor<>({2}, {0, 1}), rng, 2);
  CHECK(two(0) < 0.5f);
  CHECK(two(1) >= 0.5f);
  CHECK(pf::data::dequantize(pf::Tensor<>::ones({100000}), rng).max() < 1);  // rounding never reaches the next level
  CHECK_THROWS_AS(pf::data::dequantize(pf::Tensor<>({1}, {255}), rng), pf::ValueError);
  CHECK_THROWS_AS(pf::data::dequantize(pf::Tensor<>({1}, {NAN}), rng), pf::ValueError);
  CHECK_THROWS_AS(pf::data::dequantize(x, rng, 1), pf::ValueError);
}

TEST_CASE("binarized pixels are ink with their probability") {
  pf::Rng rng(2);
  const pf::Tensor<> y = pf::data::binarize(pf::Tensor<>::full({20000}, 0.3f), rng);
  CHECK(y.mean() == Catch::Approx(0.3).margin(5 * std::sqrt(0.21 / 20000)));
  CHECK(std::all_of(y.begin(), y.end(), [](float v) { return v == 0 || v == 1; }));
  CHECK(pf::data::binarize(pf::Tensor<>({2}, {0, 1}), rng).to_vector() == std::vector<float>{0, 1});
  CHECK_THROWS_AS(pf::data::binarize(pf::Tensor<>({1}, {1.5f}), rng), pf::ValueError);
}

TEST_CASE("the logit transform knows its Jacobian and its inverse") {
  for (const double alpha : {1e-6, 0.05}) {
    INFO(alpha);
    const pf::Tensor<double> x({1, 4}, {0.01, 0.3, 0.5, 0.98});
    const auto y = pf::data::logit_transform(x, alpha);
    CHECK(y.log_det.shape() == pf::Shape{1});
    const auto forward = [&](const auto& at) { return pf::data::logit_transform(at, alpha); };
    CHECK(y.log_det(0) == Catch::Approx(log_det_by_differences(forward, x)).margin(1e-6));
    const auto back = pf::data::inverse_logit_transform(y.value, alpha);
    CHECK(back.log_det(0) == Catch::Approx(-y.log_det(0)).epsilon(1e-12));
    for (Index j = 0; j < 4; ++j) CHECK(back.value(0, j) == Catch::Approx(x(0, j)).epsilon(1e-10));
    const auto jacobian = pf::jacobian([&](const auto& at) { return forward(at).value; }, x);
    double log_det = 0;
    for (Index j = 0; j < 4; ++j) log_det += std::log(jacobian.data()[j * 4 + j]);
    CHECK(y.log_det(0) == Catch::Approx(log_det).epsilon(1e-10));
  }
  const auto ends = pf::data::logit_transform(pf::Tensor<>({2, 1}, {0, 1}));
  CHECK(ends.value(1, 0) == Catch::Approx(-ends.value(0, 0)).epsilon(1e-5));
  CHECK(std::isfinite(ends.log_det.sum()));
  CHECK_THROWS_AS(pf::data::logit_transform(pf::Tensor<>({1, 1}, {1.1f})), pf::ValueError);
  CHECK_THROWS_AS(pf::data::logit_transform(pf::Tensor<>({1, 1}, {0.5f}), 0.5), pf::ValueError);
  CHECK_THROWS_AS(pf::data::inverse_logit_transform(pf::Tensor<>({1, 1}, {0.5f}), 0.0), pf::ValueError);
}

TEST_CASE("standardized columns have mean 0 and variance 1, and come back") {
  pf::Rng rng(3);
  const pf::Tensor<double> x =
      pf::normal<double>({500, 2}, rng) * pf::Tensor<double>({2}, {3, 0.01}) + pf::Tensor<double>({2}, {-5, 100});
  const pf::data::Standardize<double> standardize(x);
  const auto y = standardize.forward(x);
  for (Index j = 0; j < 2; ++j) {
    CHECK(pf::mean(pf::select(y.value, 1, j)).item() == Catch::Approx(0).margin(1e-9));
    CHECK(pf::var(pf::select(y.value, 1, j)).item() == Catch::Approx(1).epsilon(1e-9));
  }
  CHECK(y.log_det.shape() == pf::Shape{500});
  CHECK(y.log_det(7) == Catch::Approx(-std::log(standardize.std()(0) * standardize.std()(1))));
  const auto back = standardize.inverse(y.value);
  CHECK(pf::max(pf::abs(back.value - x)).item() < 1e-10);
  CHECK(back.log_det(0) == Catch::Approx(-y.log_det(0)));
  const pf::data::Standardize<> constant(pf::Tensor<>::full({10, 1}, 0.1f));
  CHECK(constant.std()(0) == 1);
  CHECK_THROWS_AS(pf::data::Standardize<>(pf::Tensor<>::zeros({0, 3})), pf::ShapeError);
}

TEST_CASE("a split keeps every row once") {
  pf::Rng rng(4), same(4);
  const pf::Tensor<Index> rows = pf::Tensor<Index>::arange(0, 103);
  const auto [train, validation] = pf::data::train_validation_split(rows, 0.1, rng);
  CHECK(train.size() == 93);
  CHECK(validation.size() == 10);
  std::vector<Index> all = train.to_vector();
  all.insert(all.end(), validation.begin(), validation.end());
  CHECK_FALSE(std::is_sorted(all.begin(), all.end()));
  std::sort(all.begin(), all.end());
  CHECK(all == rows.to_vector());
  const auto positions = pf::data::train_validation_split(103, 0.1, same);
  CHECK(positions.train.to_vector() == train.to_vector());  // the rows held their own positions
  const auto images = pf::data::train_validation_split(pf::Tensor<>::zeros({8, 3, 2}), 0.25, rng);
  CHECK(images.train.shape() == pf::Shape{6, 3, 2});
  CHECK(images.validation.shape() == pf::Shape{2, 3, 2});
  CHECK_THROWS_AS(pf::data::train_validation_split(rows, 1.5, rng), pf::ValueError);
}
