// The graph as a data structure: depth, width, lifetime, threads.
#include <thread>

#include <pushforward/autodiff/functional.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/ops/elementwise.hpp>

#include "support/reference.hpp"

#ifdef __linux__
#include <pthread.h>
#endif

namespace pf = pushforward;
using support::Dice;
using support::expect_equal;
using support::Index;
using support::Shape;
using Tensor = pf::Tensor<double>;

namespace {

/// Runs f on a thread whose stack has 256 KiB.
template <class F>
void on_small_stack(F f) {
#ifdef __linux__
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  pthread_t thread;
  auto run = [](void* call) -> void* {
    (*static_cast<F*>(call))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run, &f) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
#else
  f();
#endif
}

/// An operation that counts how many of its kind are alive.
Tensor counted(const Tensor& x, const std::shared_ptr<int>& alive) {
  return pf::primitive([](const Tensor& t) { return t * 2; },
                       [alive](const Tensor& g, const Tensor&, const Tensor&) { return g * 2; }, x);
}

}  // namespace

TEST_CASE("a chain of a million operations is built, differentiated and destroyed on a small stack") {
  // autodiff #314: recursion along the graph overflows the stack.
  double slope = 0, again = 0;
  on_small_stack([&] {
    const Tensor x = pf::variable(Tensor::scalar(0));
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = y + 1;
    slope = pf::gradient(y, x).item();
    y = Tensor();  // the whole chain dies here
    y = x;
    for (int i = 0; i < 50'000; ++i) y = y + x;
    again = pf::gradient(pf::gradient(y * y, x, {.create_graph = true}), x).item();
  });
  CHECK(slope == 1);
  CHECK(again == 2 * 50'001.0 * 50'001.0);
}

TEST_CASE("a variable used ten thousand times collects all its cotangents") {
  const Tensor x = pf::variable(Tensor{1, 2, 3});
  std::vector<Tensor> uses;
  for (int i = 0; i < 10'000; ++i) uses.push_back(pf::sum(x * static_cast<double>(i)));
  expect_equal(pf::gradient(pf::sum(pf::stack(uses)), x), Tensor::full({3}, 49'995'000));
  // A ladder in which the number of paths doubles on every rung: one visit per node, not per path.
  Tensor y = x;
  for (int i = 0; i < 200; ++i) y = (y + y) * 0.5;
  expect_equal(pf::gradient(pf::sum(y), x), Tensor{1, 1, 1});
}

TEST_CASE("nodes live exactly as long as a value that needs them") {
  const auto alive = std::make_shared<int>(0);
  {
    const Tensor x = pf::variable(Tensor{1, 2});
    Tensor y = counted(counted(x, alive), alive);
    CHECK(alive.use_count() == 3);
    const Tensor loss = pf::sum(y);
    y = Tensor();
    CHECK(alive.use_count() == 3);  // the loss still needs both
    pf::gradient(loss, x);
    pf::gradient(loss, x, {.create_graph = true});
    CHECK(alive.use_count() == 3);  // and a gradient leaves nothing behind
    Tensor slope = pf::gradient(loss, x, {.create_graph = true});
    pf::gradient(pf::sum(slope * x), x);
    CHECK(alive.use_count() == 3);
    CHECK(!pf::stop_gradient(loss).tracked());
  }
  CHECK(alive.use_count() == 1);
}

TEST_CASE("no operation makes a cycle: after any graph of any order all nodes are gone") {
  const auto alive = std::make_shared<int>(0);
  {
    const Tensor x = pf::variable(Tensor({2, 2}, {0.1, 0.2, 0.3, 0.4}));
    const Tensor h = counted(x, alive);
    Tensor y =
        pf::exp(h) + pf::softmax(h) * pf::logsumexp(h) + pf::matmul(h, h) / pf::norm(h) + pf::max(h) + pf::prod(h);
    y += pf::elementwise([](auto a) { return a * sigmoid(a); }, h) +
         pf::concat({pf::slice(h, 0, 0, 1), pf::flip(h, 0)}, 0).sum();
    y += pf::checkpoint([](const Tensor& t) { return pf::tanh(t) * pf::sqrt(t); }, h);
    y += pf::linear(h, h, pf::select(h, 0, 0), pf::Activation::gelu) +
         pf::linear(h, h, pf::select(h, 0, 0), pf::Activation::sigmoid);
    Tensor total = pf::sum(y);
    for (int order = 0; order < 3; ++order) total = pf::sum(pf::gradient(total, x, {.create_graph = true}));
    CHECK(alive.use_count() > 1);
  }
  CHECK(alive.use_count() == 1);
}

TEST_CASE("a steady training loop takes no memory from the system") {
  pf::Rng rng(0);
  const pf::Mlp<double> model({3, 16, 16, 1}, rng, {.activation = pf::Activation::silu});
  const Tensor x = pf::normal<double>({32, 3}, rng);
  auto step = [&] {
    const Tensor at = pf::variable(x);
    const Tensor slope = pf::gradient(pf::sum(model(at)), at, {.create_graph = true});
    return pf::gradient(pf::mean(pf::square(pf::norm(slope, 1) - 1)), model);
  };
  for (int i = 0; i < 3; ++i) step();
  const auto before = pf::memory_stats();
  for (int i = 0; i < 20; ++i) step();
  CHECK(pf::memory_stats().system_allocations == before.system_allocations);
}

TEST_CASE("intermediate cotangents are freed on the way down") {
  // A chain of 1000 tensors of 80 KB would hold 80 MB of cotangents if the sweep kept them.
  const Tensor x = pf::variable(Tensor::ones({10'000}));
  Tensor y = x;
  for (int i = 0; i < 1000; ++i) y = y + 1;
  const Tensor loss = pf::sum(y);
  const auto before = pf::memory_stats();
  pf::gradient(loss, x);
  CHECK(pf::memory_stats().system_bytes - before.system_bytes < 10u << 20);
}

TEST_CASE("threads may differentiate one graph at once, and let go of it in any order") {
  Dice dice(1);
  const Tensor x = pf::variable(dice.tensor({20, 20}));
  auto loss = std::make_unique<Tensor>(pf::sum(pf::softmax(pf::matmul(pf::tanh(x), x)) * x));
  const Tensor expected = pf::gradient(*loss, x);
  std::vector<Tensor> found(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < found.size(); ++i)
    threads.emplace_back([&found, x, shared = *loss, i] {
      for (int repeat = 0; repeat < 20; ++repeat) found[i] = pf::gradient(shared, x);
      const Tensor slope = pf::gradient(shared, x, {.create_graph = true});
      pf::gradient(pf::sum(slope * slope), x);
    });
  loss.reset();
  for (auto& thread : threads) thread.join();
  for (const Tensor& each : found) expect_equal(each, expected);
}

TEST_CASE("replicas of a model train side by side in two threads, each as if alone") {
  auto run = [](std::uint64_t seed) {
    pf::Rng rng(seed);
    pf::Mlp<double> model({4, 8, 1}, rng);
    const Tensor x = pf::normal<double>({16, 4}, rng);
    for (int step = 0; step < 50; ++step) {
      const auto g = pf::gradient(pf::mean(pf::square(model(x) - 1)), model);
      std::size_t i = 0;
      pf::for_each_parameter<double>(
          model, [&](const pf::Path&, pf::Parameter<double>& p) { p = pf::stop_gradient(p.tensor() - 0.05 * g[i++]); });
    }
    return pf::stop_gradient(model(x));
  };
  const Tensor first = run(1), second = run(2);
  Tensor a, b;
  std::thread one([&] { a = run(1); }), two([&] { b = run(2); });
  one.join();
  two.join();
  expect_equal(a, first);
  expect_equal(b, second);
}

TEST_CASE("a guard holds for its own thread only") {
  const pf::NoGradient guard;
  const Tensor x = pf::variable(Tensor{1});
  bool tracked = false;
  std::thread([&] { tracked = (x * x).tracked(); }).join();
  CHECK(tracked);
  CHECK(!(x * x).tracked());
}
