// VectorQuantizer: nearest codes against a search, the moving averages against their formula, gradients against theirs.
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <Eigen/Dense>

#include <pushforward/nn/vector_quantizer.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/testing/check_gradients.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;

namespace {

// The first code at the least distance, as computed one by one.
template <class S>
Tensor<Index> searched(const Tensor<S>& rows, const Tensor<S>& codebook) {
  const Index d = rows.size(1);
  return Tensor<Index>::generate({rows.size(0)}, [&](Index i) {
    Index best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (Index k = 0; k < codebook.size(0); ++k) {
      double apart = 0;
      for (Index j = 0; j < d; ++j) apart += std::pow(double(rows(i, j)) - double(codebook(k, j)), 2);
      if (apart < least) least = apart, best = k;
    }
    return best;
  });
}

template <class T>
bool same(const Tensor<T>& a, const Tensor<T>& b) {
  return a.shape() == b.shape() && a.to_vector() == b.to_vector();
}
double largest(const Tensor<double>& x) { return pf::max(pf::abs(x)).item(); }

struct Threads {
  int before = pf::num_threads();
  explicit Threads(int count) { pf::set_num_threads(count); }
  ~Threads() { pf::set_num_threads(before); }
};

using Vq = pf::VectorQuantizer<double>;

}  // namespace

TEMPLATE_TEST_CASE("the nearest code is the one that a search finds", "", float, double) {
  pf::Rng rng(1);
  for (const auto& [n, codes, d] :
       {std::array<Index, 3>{1, 1, 1}, {7, 5, 3}, {100, 16, 2}, {257, 37, 16}, {64, 200, 5}})
    for (const int threads : {1, 2}) {
      const Threads guard(threads);
      const auto rows = pf::normal<TestType>({n, d}, rng), codebook = pf::normal<TestType>({codes, d}, rng);
      CHECK(same(pf::nearest_codes(rows, codebook), searched(rows, codebook)));
    }
}

TEST_CASE("of several nearest codes the first one is taken") {
  // Whole numbers: distances are exact, and many are equal.
  pf::Rng rng(2);
  for (const Index codes : {3, 16, 17, 40, 100}) {
    const auto rows = Tensor<>::generate({200, 2}, [&](Index) { return static_cast<float>(rng.uniform_index(3)); });
    const auto codebook =
        Tensor<>::generate({codes, 2}, [&](Index) { return static_cast<float>(rng.uniform_index(3)); });
    CHECK(same(pf::nearest_codes(rows, codebook), searched(rows, codebook)));
  }
  const auto equal = Tensor<>::full({70, 4}, 2.0f);
  CHECK(pf::nearest_codes(equal, equal).max() == 0);
}

TEST_CASE("more scores than are kept at once give the same codes") {
  pf::Rng rng(3);
  const Index codes = 4096;  // blocks of 1024 rows
  const auto rows = pf::normal({2100, 2}, rng), codebook = pf::normal({codes, 2}, rng);
  const Tensor<Index> all = pf::nearest_codes(rows, codebook);
  for (const Index i : {0, 1023, 1024, 2047, 2048, 2099})
    CHECK(pf::nearest_codes(pf::slice(rows, 0, i, i + 1), codebook)(0) == all(i));
}

TEST_CASE("images, sequences and rows are quantized alike, vector by vector") {
  pf::Rng rng(4);
  Vq quantizer(9, 3, rng);
  pf::evaluate(quantizer);
  const auto z = pf::normal<double>({4, 3, 2, 5}, rng);
  const auto rows = pf::reshape(pf::permute(z, {0, 2, 3, 1}), {40, 3});
  const Tensor<Index> codes = quantizer.encode(z);
  REQUIRE(codes.shape() == pf::Shape{4, 2, 5});
  CHECK(same(pf::reshape(codes, {40}), quantizer.encode(rows)));
  const auto result = quantizer(z, rng);
  CHECK(same(result.codes, codes));
  CHECK(same(result.value, quantizer.decode(codes)));
  for (Index i = 0; i < 4; ++i)
    for (Index u = 0; u < 5; ++u)
      for (Index c = 0; c < 3; ++c) CHECK(result.value(i, c, 1, u) == quantizer.codebook()(codes(i, 1, u), c));
  CHECK(same(quantizer.encode(pf::reshape(z, {4, 3, 10})), pf::reshape(codes, {4, 10})));
  // 0.25 times the mean square of each example.
  for (Index i = 0; i < 4; ++i)
    CHECK(result.loss(i) ==
          Approx(0.25 * pf::mean(pf::square(pf::select(z - quantizer.decode(codes), 0, i))).item()).epsilon(1e-12));
}

TEST_CASE("the codebook of moving averages follows its formula") {
  pf::Rng rng(5);
  const Index codes = 6, d = 2;
  Vq quantizer(codes, d, rng, {.decay = 0.9, .smoothing = 1e-3, .revive_below = 0});
  Eigen::ArrayXd n = Eigen::ArrayXd::Ones(codes);
  Eigen::MatrixXd e = quantizer.codebook().matrix(), m = e;
  for (int step = 0; step < 5; ++step) {
    const auto z = pf::normal<double>({50, d}, rng);
    const auto before = quantizer.codebook();
    const auto result = quantizer(z, rng);
    CHECK(same(result.value, pf::index_select(before, 0, result.codes)));  // the codebook as it was
    Eigen::ArrayXd count = Eigen::ArrayXd::Zero(codes);
    Eigen::MatrixXd sum = Eigen::MatrixXd::Zero(codes, d);
    for (Index i = 0; i < 50; ++i) {
      count(result.codes(i)) += 1;
      for (Index j = 0; j < d; ++j) sum(result.codes(i), j) += z(i, j);
    }
    n = 0.9 * n + 0.1 * count;
    m = 0.9 * m + 0.1 * sum;
    const double total = n.sum();
    for (Index k = 0; k < codes; ++k) e.row(k) = m.row(k) / ((n(k) + 1e-3) / (total + 6e-3) * total);
    CHECK((quantizer.codebook().matrix() - e).cwiseAbs().maxCoeff() < 1e-12);
    CHECK(largest(quantizer.counts() - Tensor<double>(n)) < 1e-12);
  }
  pf::evaluate(quantizer);
  const auto before = quantizer.codebook();
  quantizer(pf::normal<double>({50, d}, rng), rng);
  CHECK(same(before, quantizer.codebook()));
}

TEST_CASE("moving averages of clustered vectors end at the clusters") {
  pf::Rng rng(6);
  const Tensor<double> centers({3, 2}, {0, 0, 5, 0, 0, 5});
  const auto draw = [&] {
    const Tensor<Index> which = Tensor<Index>::generate({90}, [&](Index i) { return i % 3; });
    return pf::index_select(centers, 0, which) + 0.1 * pf::normal<double>({90, 2}, rng);
  };
  Vq quantizer(3, 2, rng);
  quantizer.initialize(draw(), rng);
  for (int step = 0; step < 300; ++step) quantizer(draw(), rng);
  const Tensor<Index> found = quantizer.encode(centers);
  CHECK(pf::code_usage(found, 3) == 1);
  // With decay 0.99 averages are as over 199 steps of 30 vectors each: a standard error of 0.1 / sqrt(5970) = 0.0013.
  CHECK(largest(pf::index_select(quantizer.codebook(), 0, found) - centers) < 0.01);
}

TEST_CASE("codes that are not used are moved to vectors of the batch, and so is no other") {
  pf::Rng rng(7);
  for (const auto update : {pf::CodebookUpdate::moving_average, pf::CodebookUpdate::gradient}) {
    Vq quantizer(8, 2, rng, {.update = update, .decay = 0.5, .revive_below = 0.05});
    const auto far = pf::normal<double>({400, 2}, rng) + 20.0;  // all vectors share the code nearest to them
    Index steps = 0;
    while (pf::code_usage(quantizer.encode(far), 8) < 0.9 && ++steps < 50) quantizer(far, rng);
    CHECK(steps < 20);
    CHECK(pf::code_usage(quantizer.encode(far), 8) == 1);
    Vq idle(8, 2, rng, {.update = update, .decay = 0.5, .revive_below = 0});
    for (int i = 0; i < 30; ++i) idle(far, rng);
    CHECK(pf::code_usage(idle.encode(far), 8) < 0.2);
  }
  // With all codes in use nothing moves, and no random number is taken.
  Vq quantizer(2, 1, rng, {.update = pf::CodebookUpdate::gradient, .revive_below = 0.1});
  const pf::Rng::State state = rng.state();
  const auto before = quantizer.codebook();
  quantizer(Tensor<double>({2, 1}, {before(0, 0), before(1, 0)}), rng);
  CHECK(rng.state() == state);
  CHECK(same(before, quantizer.codebook()));
}

TEST_CASE("dead codes are moved to different vectors while there are enough") {
  pf::Rng rng(20);
  const Index codes = 12;
  for (const Index n : {12, 40, 5}) {
    // One code has all vectors, so that the others are dead after a step.
    const auto z = Tensor<double>::generate({n, 1}, [](Index i) { return 100.0 + static_cast<double>(i); });
    Vq quantizer(codes, 1, rng, {.update = pf::CodebookUpdate::gradient, .decay = 0.01, .revive_below = 0.5});
    quantizer(z, rng);
    quantizer(z, rng);
    std::vector<Index> uses(static_cast<std::size_t>(n), 0);
    Index moved = 0;
    for (const double code : quantizer.codebook())
      if (code > 50) ++moved, ++uses[static_cast<std::size_t>(std::lround(code)) - 100];
    CHECK(moved == codes - 1);
    const auto [least, most] = std::minmax_element(uses.begin(), uses.end());
    CHECK(*most == (codes - 2) / n + 1);
    if (n < codes) CHECK(*least >= 1);
  }
}

TEST_CASE("k-means finds clusters that are apart, and copes with fewer points than clusters") {
  pf::Rng rng(8);
  const Tensor<double> centers({4, 2}, {0, 0, 9, 0, 0, 9, 9, 9});
  const Tensor<Index> truth = Tensor<Index>::generate({200}, [](Index i) { return i % 4; });
  const auto points = pf::index_select(centers, 0, truth) + 0.2 * pf::normal<double>({200, 2}, rng);
  const auto found = pf::k_means(points, 4, 5, rng);
  CHECK(found.counts.to_vector() == std::vector<Index>{50, 50, 50, 50});
  for (Index i = 4; i < 200; ++i) CHECK(found.members(i) == found.members(i % 4));
  for (Index k = 0; k < 4; ++k) {
    double x = 0;
    for (Index i = 0; i < 200; ++i)
      if (found.members(i) == k) x += points(i, 0) / 50;
    CHECK(found.centers(k, 0) == Approx(x).margin(1e-12));
  }
  const auto few = pf::k_means(Tensor<double>({2, 1}, {1, 4}), 5, 3, rng);
  CHECK(std::isfinite(few.centers.sum()));
  CHECK(few.counts.sum() == 2);
  CHECK_THROWS_WITH(pf::k_means(points, 0, 3, rng), ContainsSubstring("0 clusters"));
}

TEST_CASE("a codebook that starts from k-means is nearer to its vectors than one that does not") {
  pf::Rng rng(9);
  const auto z = 3.0 * pf::normal<double>({32, 4, 3, 3}, rng) + 7.0;
  Vq quantizer(16, 4, rng, {.revive_below = 0});
  pf::evaluate(quantizer);
  const double before = quantizer(z, rng).loss.mean();
  quantizer.initialize(z, rng);
  const auto result = quantizer(z, rng);
  CHECK(result.loss.mean() < 0.1 * before);
  CHECK(pf::code_usage(result.codes, 16) == 1);
  // Once only, and never after it has learned.
  const auto codebook = quantizer.codebook();
  quantizer.initialize(z + 1.0, rng);
  CHECK(same(codebook, quantizer.codebook()));
  Vq learned(16, 4, rng);
  learned(z, rng);
  const auto moved = learned.codebook();
  learned.initialize(z, rng);
  CHECK(same(moved, learned.codebook()));
}

TEST_CASE("the gradient passes straight through, and the commitment pulls vectors to their codes") {
  pf::Rng rng(10);
  const Vq quantizer(5, 3, rng, {.commitment = 0.4, .revive_below = 0});
  const auto z = pf::variable(pf::normal<double>({2, 3, 2}, rng)), w = pf::normal<double>({2, 3, 2}, rng);
  const auto result = quantizer(z, rng);
  CHECK(largest(pf::gradient(pf::sum(result.value * w), z) - w) == 0);
  const auto expected = 0.4 * 2.0 * (z - result.value) / 6.0;  // the mean is over 6 numbers
  CHECK(largest(pf::gradient(pf::sum(result.loss), z) - pf::stop_gradient(expected)) < 1e-14);
}

TEST_CASE("a codebook that learns by gradient gets that of its loss") {
  pf::Rng rng(11);
  const Vq quantizer(4, 2, rng, {.update = pf::CodebookUpdate::gradient, .commitment = 0.3, .revive_below = 0});
  const auto z = pf::normal<double>({6, 2, 3}, rng);
  const auto loss = [&](const Tensor<double>& book) {  // for codes that stay as they are
    const auto q = pf::detail::place_vectors(book, quantizer.encode(z));
    return pf::sum(pf::square(z - q)) / 6.0;
  };
  const auto result = quantizer(z, rng);
  REQUIRE(pf::count_parameters(quantizer) == 8);
  const auto book = pf::variable(pf::stop_gradient(quantizer.codebook()));
  CHECK(largest(pf::gradient(pf::sum(result.loss), quantizer)[0] - pf::gradient(loss(book), book)) < 1e-13);
  pf::testing::check_gradients(loss, pf::stop_gradient(quantizer.codebook()));
}

TEST_CASE("the rotation trick turns and scales gradients as it does vectors") {
  pf::Rng rng(12);
  const Index d = 5;
  const auto z = pf::normal<double>({7, d}, rng), q = pf::normal<double>({7, d}, rng),
             g = pf::normal<double>({7, d}, rng);
  const auto at = pf::variable(z);
  const auto y = pf::pass_gradient(q, at, pf::QuantizerGradient::rotation);
  CHECK(same(y, q));
  const auto found = pf::gradient(pf::sum(y * g), at);
  for (Index i = 0; i < 7; ++i) {
    // The rotation in the plane of u (along z) and v (orthogonal to it) by the angle to q.
    const Eigen::VectorXd a = z.matrix().row(i), b = q.matrix().row(i);
    const Eigen::VectorXd u = a.normalized(), v = (b - b.dot(u) * u).normalized();
    const double angle = std::atan2(b.dot(v), b.dot(u));
    const Eigen::MatrixXd turn = Eigen::MatrixXd::Identity(d, d) +
                                 std::sin(angle) * (v * u.transpose() - u * v.transpose()) +
                                 (std::cos(angle) - 1) * (u * u.transpose() + v * v.transpose());
    const Eigen::MatrixXd map = b.norm() / a.norm() * turn;
    REQUIRE((map * a - b).norm() < 1e-12);
    const Eigen::VectorXd expected = map.transpose() * Eigen::VectorXd(g.matrix().row(i));
    CHECK((expected.transpose() - found.matrix().row(i)).norm() < 1e-11);
  }
  // Along the features of images, too.
  const auto image = [](const Tensor<double>& rows) { return pf::permute(pf::reshape(rows, {1, 7, 5}), {0, 2, 1}); };
  const auto point = pf::variable(image(z));
  const auto there =
      pf::gradient(pf::sum(pf::pass_gradient(image(q), point, pf::QuantizerGradient::rotation) * image(g)), point);
  CHECK(largest(there - image(found)) < 1e-14);
}

TEST_CASE("where there is no rotation the gradient passes straight through") {
  const Tensor<double> z({4, 2}, {0, 0, 1, 2, 1, 1, 3, 4}), q({4, 2}, {1, 1, 0, 0, -2, -2, 3, 4});
  const Tensor<double> g({4, 2}, {1, -2, 3, -4, 5, -6, 7, -8});
  const auto at = pf::variable(z);
  CHECK(largest(pf::gradient(pf::sum(pf::pass_gradient(q, at, pf::QuantizerGradient::rotation) * g), at) - g) < 1e-14);
}

TEMPLATE_TEST_CASE("the rotation trick stays finite for vectors of all sizes", "", float, double) {
  const TestType tiny = std::numeric_limits<TestType>::min(), huge = std::numeric_limits<TestType>::max() / 4;
  const auto gradient_at = [](TestType z, TestType q) {
    const auto at = pf::variable(Tensor<TestType>({1, 2}, {z, z}));
    const Tensor<TestType> code({1, 2}, {q, -q / 2}), g({1, 2}, {3, -4});
    return pf::gradient(pf::sum(pf::pass_gradient(code, at, pf::QuantizerGradient::rotation) * g), at);
  };
  const auto expected = gradient_at(1, 1);
  // The same turn and scale whatever the unit.
  for (const TestType unit : {TestType(1e-25), TestType(1e-3), TestType(1e25), huge, 2 * tiny})
    CHECK(largest(pf::cast<double>(gradient_at(unit, unit) - expected)) < 1e-5);
  // As it is where z is nothing beside q.
  for (const TestType z : {tiny / 1000, tiny, TestType(1e-20), TestType(1e-7)}) {
    CHECK(gradient_at(z, 1)(0, 0) == 3);
    CHECK(gradient_at(z, 1)(0, 1) == -4);
    CHECK(std::isfinite(gradient_at(z, huge).sum()));
    CHECK(std::isfinite(gradient_at(1, z).sum()));
  }
}

TEST_CASE("perplexity and usage of codes") {
  const Tensor<Index> codes({6}, {0, 0, 0, 2, 2, 2});
  CHECK(pf::code_perplexity(codes, 4) == Approx(2));
  CHECK(pf::code_usage(codes, 4) == 0.5);
  CHECK(pf::code_counts(codes, 4).to_vector() == std::vector<Index>{3, 0, 3, 0});
  CHECK(pf::code_perplexity(Tensor<Index>::arange(0, 16), 16) == Approx(16));
  CHECK(pf::code_perplexity(Tensor<Index>::zeros({5}), 16) == 1);
  CHECK_THROWS_AS(pf::code_perplexity(codes, 2), pf::IndexError);
  CHECK_THROWS_AS(pf::code_perplexity({}, 2), pf::ValueError);
}

TEST_CASE("vector quantizers say what they cannot do") {
  pf::Rng rng(13);
  CHECK_THROWS_WITH(pf::VectorQuantizer<>(0, 4, rng), ContainsSubstring("0 codes of 4 features"));
  CHECK_THROWS_AS(pf::VectorQuantizer<>(4, 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::VectorQuantizer<>(4, 2, rng, {.decay = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::VectorQuantizer<>(4, 2, rng, {.commitment = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::VectorQuantizer<>(4, 2, rng, {.smoothing = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::VectorQuantizer<>(4, 2, rng, {.revive_below = 1}), pf::ValueError);
  CHECK_THROWS_AS(pf::VectorQuantizer<>(4, 2, rng, {.k_means = -1}), pf::ValueError);
  pf::VectorQuantizer<> quantizer(4, 2, rng);
  CHECK_THROWS_WITH(quantizer(Tensor<>::zeros({3, 5}), rng), ContainsSubstring("expected [n, 2, ..]"));
  CHECK_THROWS_AS(quantizer.encode(Tensor<>::zeros({3})), pf::ShapeError);
  CHECK_THROWS_AS(quantizer.encode(Tensor<>::zeros({0, 2})), pf::ShapeError);
  CHECK_THROWS_AS(quantizer.initialize(Tensor<>::zeros({0, 2}), rng), pf::ShapeError);
  const auto before = quantizer.codebook();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH(quantizer(Tensor<>({1, 2}, {1, nan}), rng), ContainsSubstring("nan"));
  CHECK(same(before, quantizer.codebook()));
  CHECK_THROWS_WITH(quantizer.decode(Tensor<Index>({2}, {0, 4})), ContainsSubstring("got the code 4"));
  CHECK_THROWS_AS(quantizer.decode(Tensor<Index>({1}, {-1})), pf::IndexError);
  const pf::VectorQuantizer<> nothing;
  CHECK_THROWS_WITH(nothing.encode(Tensor<>::zeros({3, 5})), ContainsSubstring("no codebook yet"));
  CHECK_THROWS_AS(pf::nearest_codes(Tensor<>::zeros({3, 5}), Tensor<>::zeros({3, 4})), pf::ShapeError);
  CHECK_THROWS_AS(pf::pass_gradient(Tensor<>::zeros({3, 5}), Tensor<>::zeros({3, 4})), pf::ShapeError);
}
