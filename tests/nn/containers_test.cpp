#include "pushforward/nn.hpp"
#include "pushforward/testing.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::AnyLayer;
using pf::Index;
using pf::Linear;
using pf::Residual;
using pf::Rng;
using pf::Sequential;
using pf::Shape;
using pf::Tensor;
using pf::testing::check_module;

namespace {

bool same(const Tensor<>& a, const Tensor<>& b) { return a.shape() == b.shape() && a.to_vector() == b.to_vector(); }

std::vector<std::string> paths(const auto& model) {
  std::vector<std::string> names;
  pf::for_each_parameter(model, [&](const pf::Path& path, const pf::Parameter<>&) { names.push_back(path.str()); });
  return names;
}

Tensor<> twice(const Tensor<>& x) { return 2 * x; }

struct Noisy {
  Tensor<> operator()(const Tensor<>& x, Rng& rng) const { return x + pf::normal(x.shape(), rng); }
};

}  // namespace

TEST_CASE("Sequential calls its layers in order: modules, function objects, lambdas, functions") {
  Rng rng(1);
  const Linear<> a(3, 5, rng), b(5, 2, rng);
  const Tensor<> x = pf::normal({4, 3}, rng);
  const Sequential model(
      a, pf::Silu{}, [](const Tensor<>& h) { return h + 1; }, b, &twice);
  CHECK(pf::abs(model(x) - 2 * b(pf::silu(a(x)) + 1)).max() < 1e-5);
  CHECK(paths(model) == std::vector<std::string>{"0.weight", "0.bias", "3.weight", "3.bias"});
  CHECK(same(Sequential<>()(x), x));
  check_module(model, x);
}

TEST_CASE("a dense layer and the activation after it give what they give apart, gradients included") {
  Rng rng(2);
  const Linear<double> dense(3, 4, rng);
  const Tensor<double> x = pf::variable(pf::normal<double>({5, 3}, rng));
  auto compare = [&](const auto& activation) {
    const Sequential model(dense, activation);
    const Tensor<double> fused = model(x), apart = activation(dense(x));
    CHECK(pf::abs(fused - apart).max() < 1e-15);
    CHECK(pf::abs(pf::gradient(pf::sum(pf::square(fused)), x) - pf::gradient(pf::sum(pf::square(apart)), x)).max() <
          1e-14);
  };
  compare(pf::Relu{});
  compare(pf::Silu{});
  compare(pf::Tanh{});
  compare(pf::Sigmoid{});
  compare(pf::Gelu{});
  compare(pf::Softplus{});
  compare(pf::LeakyRelu{0.2});
  compare(pf::Elu{});
}

TEST_CASE("a generator reaches the layers that take one, at any depth") {
  Rng rng(3);
  const Tensor<> x = Tensor<>::ones({50, 8});
  Sequential model(Linear<>(8, 8, rng), Residual(Sequential(pf::Relu{}, pf::Dropout{0.5})),
                   std::vector<AnyLayer<>>{pf::Dropout{0.5}, pf::Tanh{}});
  CHECK_THROWS_WITH(model(x), ContainsSubstring("Dropout"));
  Rng first(7), second(7), other(8);
  CHECK(same(model(x, first), model(x, second)));
  CHECK_FALSE(same(model(x, second), model(x, other)));
  pf::evaluate(model);
  CHECK(same(model(x), model(x, rng)));
}

TEST_CASE("Residual adds its input, and refuses an inner layer that changes the shape") {
  Rng rng(4);
  const Linear<> inner(3, 3, rng);
  const Tensor<> x = pf::normal({4, 3}, rng);
  const Residual block(inner);
  CHECK(same(block(x), x + inner(x)));
  CHECK(paths(block) == std::vector<std::string>{"inner.weight", "inner.bias"});
  check_module(block, x);
  CHECK_THROWS_AS(Residual(Linear<>(3, 1, rng))(x), pf::ShapeError);
}

TEST_CASE("AnyLayer holds any layer and names its parameters as the layer does") {
  Rng rng(5);
  const Tensor<> x = pf::normal({4, 3}, rng);
  const Linear<> dense(3, 3, rng);
  std::vector<AnyLayer<>> stack;
  stack.push_back(dense);
  stack.push_back(pf::Tanh{});
  stack.push_back(Residual(Linear<>(3, 3, rng)));
  stack.push_back([](const Tensor<>& h) { return h * 2; });
  const Sequential model(stack);
  CHECK(paths(model) == std::vector<std::string>{"0.0.weight", "0.0.bias", "0.2.inner.weight", "0.2.inner.bias"});
  CHECK(same(stack[0](x), dense(x)));
  CHECK(same(model(x), stack[3](stack[2](stack[1](stack[0](x))))));
  check_module(model, x);
  CHECK_THROWS_WITH(AnyLayer<>()(x), ContainsSubstring("no layer inside"));
  CHECK_THROWS_WITH(AnyLayer<>(Noisy{})(x), ContainsSubstring("layer(x, rng)"));
  CHECK(AnyLayer<>(Noisy{})(x, rng).shape() == x.shape());
}

TEST_CASE("copies of containers have weights of their own") {
  Rng rng(6);
  const Tensor<> x = pf::normal({4, 3}, rng);
  auto independent = [&](auto model) {
    auto copy = model;
    const Tensor<> before = model(x);
    pf::for_each_parameter(copy, [](const pf::Path&, pf::Parameter<>& p) { p = p.tensor() + 1; });
    CHECK(same(model(x), before));
    CHECK_FALSE(same(copy(x), before));
    // A loss of one says nothing about the other.
    CHECK(pf::gradient(pf::sum(copy(x)), model)[0].max() == 0);
    auto assigned = model;
    assigned = copy;
    CHECK(same(assigned(x), copy(x)));
  };
  independent(Sequential(Linear<>(3, 4, rng), pf::Relu{}));
  independent(Residual(Linear<>(3, 3, rng)));
  independent(AnyLayer<>(Linear<>(3, 3, rng)));
  independent(Sequential(std::vector<AnyLayer<>>{Linear<>(3, 3, rng), Linear<>(3, 2, rng)}));
}

TEST_CASE("summary lists every parameter and buffer, aligned, with totals") {
  Rng rng(7);
  const Sequential model(pf::FourierFeatures<>(2, 8, 1.0, rng), Linear<>(8, 16, rng), pf::Relu{});
  CHECK(pf::summary(model) ==
        "path                    shape    count\n"
        "0.frequencies (buffer)  [2, 4]       8\n"
        "1.weight                [16, 8]    128\n"
        "1.bias                  [16]        16\n"
        "total: 144 parameters, 8 numbers in buffers, 608 bytes\n");
  CHECK(pf::summary(pf::Relu{}) == "path  shape  count\ntotal: 0 parameters, 0 bytes\n");
}
