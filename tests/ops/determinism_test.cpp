#include <functional>

#include <pushforward/autodiff/gradient.hpp>
#include <pushforward/ops/elementwise.hpp>
#include <pushforward/ops/indexing.hpp>
#include <pushforward/ops/matmul.hpp>
#include <pushforward/ops/random.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using support::Dice;
using support::expect_equal;
using support::Index;
using support::Shape;

namespace {

/// Sets the number of threads for a scope.
class Threads {
 public:
  explicit Threads(int count) : before_(pf::num_threads()) { pf::set_num_threads(count); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { pf::set_num_threads(before_); }

 private:
  int before_;
};

template <class S>
std::vector<pf::Tensor<S>> results_and_gradients(const std::function<pf::Tensor<S>(const pf::Tensor<S>&)>& f,
                                                 const pf::Tensor<S>& at) {
  const pf::Tensor<S> x = pf::variable(at), y = f(x);
  return {pf::stop_gradient(y), pf::gradient(pf::mean(y * y), x)};
}

template <class S>
void expect_same_bits(const char* name, const std::function<pf::Tensor<S>(const pf::Tensor<S>&)>& f,
                      const pf::Tensor<S>& x) {
  std::vector<pf::Tensor<S>> alone;
  {
    const Threads one(1);
    alone = results_and_gradients<S>(f, x);
  }
  for (const int count : {2, 3, 8}) {
    const Threads several(count);
    const auto together = results_and_gradients<S>(f, x);
    INFO(name << " with " << count << " threads");
    for (std::size_t i = 0; i < alone.size(); ++i) expect_equal(together[i], alone[i]);
  }
}

template <class S>
void check_all() {
  using T = pf::Tensor<S>;
  Dice dice(1);
  // 3 x 32768 and some: every thread gets a part, the last one a short one.
  const T flat = dice.tensor<S>({100'003}), rows = dice.tensor<S>({300, 333}), tall = dice.tensor<S>({5000, 21}),
          deep = dice.tensor<S>({40, 60, 50});
  const T w = dice.tensor<S>({129, 333}), b = dice.tensor<S>({129});
  for (const T& x : {flat, rows, tall, deep}) {
    expect_same_bits<S>(
        "sum", [](const T& t) { return pf::sum(t); }, x);
    expect_same_bits<S>(
        "sum over the first axis", [](const T& t) { return pf::sum(t, 0); }, x);
    expect_same_bits<S>(
        "sum over the last axis", [](const T& t) { return pf::sum(t, -1); }, x);
    expect_same_bits<S>(
        "max", [](const T& t) { return pf::max(t, 0); }, x);
    expect_same_bits<S>(
        "logsumexp", [](const T& t) { return pf::logsumexp(t, -1); }, x);
    expect_same_bits<S>(
        "softmax", [](const T& t) { return pf::softmax(t); }, x);
    expect_same_bits<S>(
        "var", [](const T& t) { return pf::var(t, 0); }, x);
    expect_same_bits<S>(
        "functions",
        [](const T& t) { return pf::exp(t) * pf::tanh(t) + pf::gelu(t) / (pf::softplus(t) + 1) - pf::sin(t); }, x);
    expect_same_bits<S>(
        "elementwise",
        [](const T& t) { return pf::elementwise([](auto u) { return u * sigmoid(u) + log1p(u * u); }, t); }, x);
    expect_same_bits<S>(
        "cumsum", [](const T& t) { return pf::cumsum(t); }, x);
  }
  expect_same_bits<S>(
      "broadcasting", [&](const T& t) { return t * pf::sum(t, 0) + pf::sum(t, {1}, true); }, rows);
  expect_same_bits<S>(
      "middle sum", [](const T& t) { return pf::sum(t, 1); }, deep);
  expect_same_bits<S>(
      "matmul", [&](const T& t) { return pf::matmul(t, w, {.transpose_b = true}); }, rows);
  expect_same_bits<S>(
      "matmul of a tall factor", [&](const T& t) { return pf::matmul(t, t, {.transpose_a = true}); }, tall);
  expect_same_bits<S>(
      "matmul of stacks", [&](const T& t) { return pf::matmul(t, pf::transpose(t)); }, deep);
  for (const auto activation :
       {pf::Activation::none, pf::Activation::relu, pf::Activation::gelu, pf::Activation::sigmoid})
    expect_same_bits<S>(
        "linear", [&](const T& t) { return pf::linear(t, w, b, activation); }, rows);
}

}  // namespace

TEST_CASE("results and gradients have the same bits for any number of threads, in float") { check_all<float>(); }
TEST_CASE("results and gradients have the same bits for any number of threads, in double") { check_all<double>(); }

TEST_CASE("random tensors have the same bits for any number of threads") {
  auto draw = [] {
    pf::Rng rng(7);
    const Shape shape{100'003};
    const pf::Tensor<> u = pf::uniform(shape, rng), logits = pf::normal({5000, 7}, rng);
    return std::vector<pf::Tensor<double>>{
        pf::normal<double>(shape, rng),
        pf::exponential<double>(shape, rng),
        pf::gumbel<double>(shape, rng),
        pf::gamma(pf::uniform<double>(shape, rng, 0.1, 3), rng),
        pf::beta(pf::uniform<double>({1000}, rng, 0.1, 3), pf::Tensor<double>{2}, rng),
        support::from_positions(shape,
                                [&, b = pf::bernoulli(u, rng)](const support::Position& p) { return b.data()[p[0]]; }),
        support::from_positions(
            {5000}, [&, c = pf::categorical(logits, rng)](const support::Position& p) { return c.data()[p[0]]; })};
  };
  std::vector<pf::Tensor<double>> alone;
  {
    const Threads one(1);
    alone = draw();
  }
  const Threads two(2);
  const auto together = draw();
  for (std::size_t i = 0; i < alone.size(); ++i) expect_equal(together[i], alone[i]);
}
