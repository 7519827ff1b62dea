#include "pushforward/nn/initializers.hpp"

#include "pushforward/nn/linear.hpp"
#include "pushforward/ops/matmul.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Index;
using pf::Rng;
using pf::Shape;
using pf::Tensor;

namespace {

// 4e4 numbers: the standard error of their variance is below 0.8 % for normals, so 4 % is five of them.
void check_variance(const Tensor<>& x, double expected) {
  CHECK(std::abs(x.mean()) < 5 * std::sqrt(expected / static_cast<double>(x.size())));
  CHECK(pf::var(x).item() == Catch::Approx(expected).epsilon(0.04));
}

}  // namespace

TEST_CASE("initializers have the variance of their papers") {
  Rng rng(1);
  const Shape dense{100, 400}, kernel{50, 100, 4, 2};  // fans: 400 in, 100 out; 800 in, 400 out
  check_variance(pf::init::xavier_uniform(dense, rng), 2.0 / 500);
  check_variance(pf::init::xavier_normal(dense, rng, 2.0), 4 * 2.0 / 500);
  check_variance(pf::init::kaiming_uniform(dense, rng), 2.0 / 400);
  check_variance(pf::init::kaiming_normal(kernel, rng), 2.0 / 800);
  check_variance(pf::init::xavier_normal(kernel, rng), 2.0 / 1200);
  check_variance(pf::init::normal(dense, rng, 0.02), 0.0004);
  const double bound = std::sqrt(6.0 / 500);
  CHECK(pf::init::xavier_uniform(dense, rng).max() <= bound);
  CHECK(pf::init::xavier_uniform(dense, rng).max() > 0.99 * bound);
  CHECK(pf::init::zeros({3}).max() == 0);
  CHECK_THROWS_AS(pf::init::kaiming_normal({3}, rng), pf::ShapeError);
}

TEST_CASE("orthogonal matrices have orthonormal rows or columns") {
  Rng rng(2);
  for (const Shape& shape : {Shape{5, 5}, Shape{3, 7}, Shape{7, 3}, Shape{4, 3, 2}, Shape{1, 1}, Shape{0, 3}}) {
    const Tensor<double> q = pf::init::orthogonal<double>(shape, rng, 2.0);
    const Index rows = shape[0], columns = shape.product(1, shape.rank()), n = std::min(rows, columns);
    const Tensor<double> m = pf::reshape(q, Shape{rows, columns});
    const Tensor<double> gram =
        rows <= columns ? pf::matmul(m, m, {.transpose_b = true}) : pf::matmul(m, m, {.transpose_a = true});
    CHECK((n == 0 || pf::abs(gram - 4 * Tensor<double>::eye(n)).max() < 1e-13));
  }
}

TEST_CASE("initialize sets parameters by path") {
  Rng rng(3);
  pf::Mlp model({4, 5, 2}, rng);
  const Tensor<> kept = model.layers[1].weight;
  pf::initialize(model, [&](const std::string& path, const Tensor<>& current) {
    if (path == "layers.1.weight") return current;
    return path.ends_with("bias") ? pf::init::zeros(current.shape()) : Tensor<>::full(current.shape(), 0.5f);
  });
  CHECK(model.layers[0].weight.min() == 0.5f);
  CHECK(model.layers[0].bias.max() == 0);
  CHECK(model.layers[1].weight.to_vector() == kept.to_vector());
  CHECK_THROWS_AS(pf::initialize(model, [](const std::string&, const Tensor<>&) { return Tensor<>::zeros({1}); }),
                  pf::ShapeError);
}
