#include <pushforward/distributions/labelled_normal.hpp>
#include <pushforward/models/image_flow.hpp>
#include <pushforward/models/tempered_flow.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/training/fit.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;

namespace {

// Adds noise to every parameter, so that nothing is an identity any more.
template <class S, class Model>
Model shaken(Model model, double by, pf::Rng& rng) {
  pf::for_each_parameter<S>(
      model, [&](const pf::Path&, pf::Parameter<S>& p) { p = p.tensor() + by * pf::normal<S>(p.shape(), rng); });
  return model;
}

const std::vector<pf::ImageFlowOptions> kinds{
    {.channels = 1, .height = 4, .width = 4, .levels = 2, .steps = 2, .hidden = {5, 4}},
    {.channels = 3, .height = 2, .width = 4, .levels = 1, .steps = 3, .hidden = {4}},
    {.channels = 1,
     .height = 4,
     .width = 8,
     .levels = 2,
     .steps = 4,
     .hidden = {4, 4, 4},
     .scale = pf::ChannelScale::exponential,
     .prior = pf::LatentPrior::learned,
     .logit = 0.05},
    {.channels = 2,
     .height = 4,
     .width = 4,
     .levels = 2,
     .steps = 1,
     .hidden = {4},
     .scale = pf::ChannelScale::none,
     .prior = pf::LatentPrior::learned},
};

// Behind a logit, numbers that random networks make large would saturate.
double shake(const pf::ImageFlowOptions& options) { return options.logit == 0 ? 0.2 : 0.05; }

// Bars of random brightness: rows that are all alike.
Tensor<> bars(Index n, pf::Rng& rng) {
  return pf::expand(pf::uniform({n, 1, 4, 1}, rng), {n, 1, 4, 4}) + 0.05 * pf::normal({n, 1, 4, 4}, rng) - 0.5;
}

}  // namespace

TEST_CASE("image flows are bijections of images and latents with the Jacobian's log-determinant") {
  pf::Rng rng(1);
  for (const pf::ImageFlowOptions& options : kinds) {
    const Index d = options.channels * options.height * options.width;
    const Tensor<double> z = pf::normal<double>({2, d}, rng);
    const double by = shake(options);
    CHECK_NOTHROW(pf::testing::check_bijector(shaken<double>(pf::glow<double>(options, rng), by, rng).bijector(), z));
    CHECK_NOTHROW(
        pf::testing::check_bijector(shaken<double>(pf::real_nvp_images<double>(options, rng), by, rng).bijector(), z));
  }
  CHECK_NOTHROW(pf::testing::check_bijector(shaken<float>(pf::glow<float>(kinds[0], rng), 0.2, rng).bijector(),
                                            pf::normal({2, 16}, rng)));
}

TEST_CASE("images come back from all their latents") {
  pf::Rng rng(2);
  const auto flow =
      shaken<float>(pf::glow({.height = 28, .width = 28, .steps = 4, .hidden = {16, 16}}, rng), 0.05, rng);
  const Tensor<> x = pf::uniform({3, 1, 28, 28}, rng) - 0.5, z = flow.bijector().inverse(x).value;
  REQUIRE(z.shape() == pf::Shape{3, 784});
  CHECK(pf::max(pf::abs(flow.bijector().forward(z).value - x)).item() < 1e-3);  // eight steps in float
  const auto parts = flow.bijector().latents(z);
  CHECK(parts[0].shape() == pf::Shape{3, 2, 14, 14});
  CHECK(parts[1].shape() == pf::Shape{3, 8, 7, 7});
}

TEST_CASE("an image flow is a normalized density") {
  pf::Rng rng(3);
  const auto flow =
      shaken<float>(pf::glow({.height = 2, .width = 2, .levels = 1, .steps = 3, .hidden = {8}}, rng), 0.2, rng);
  // The integral of p as the mean of p / q over draws from q, a normal density wide enough for all of p.
  const Index n = 200'000;
  const pf::Normal<> q(Tensor<>::zeros({4}), Tensor<>::full({4}, 2.5f));
  const Tensor<> x = q.sample(n, rng);
  const Tensor<> ratio = pf::exp(flow.log_prob(pf::reshape(x, {n, 1, 2, 2})) - q.log_prob(x));
  const double error = std::sqrt(static_cast<double>(pf::var(ratio, 0).item()) / static_cast<double>(n));
  CHECK(error < 0.02);
  CHECK(ratio.mean() == Approx(1).margin(4 * error));
}

TEST_CASE("draws of an image flow are images, with the log-density that log_prob gives them") {
  pf::Rng rng(4);
  const auto flow = shaken<double>(pf::glow<double>(kinds[2], rng), 0.1, rng);
  const auto draws = flow.sample_and_log_prob(5, rng);
  REQUIRE(draws.value.shape() == pf::Shape{5, 1, 4, 8});
  CHECK(pf::max(pf::abs(flow.log_prob(draws.value) - draws.log_prob)).item() < 1e-9);
  CHECK(flow.sample(0, rng).shape() == pf::Shape{0, 1, 4, 8});
}

TEST_CASE("at a temperature the latents of every level have that standard deviation") {
  pf::Rng rng(5);
  const auto flow = shaken<float>(pf::glow(kinds[0], rng), 0.1, rng);
  const Tensor<> cold = pf::tempered(flow, 0.5).sample(2000, rng);
  for (const Tensor<>& z : flow.bijector().latents(flow.bijector().inverse(cold).value))  // 16000 numbers or more
    CHECK(pf::mean(pf::square(z)).item() == Approx(0.25).epsilon(0.06));  // 5 standard errors of sqrt(2 / 16000)
}

TEST_CASE("gradients of an image flow's log-density are right in every parameter, to order 2 in the image") {
  pf::Rng rng(6);
  for (const std::size_t kind : {std::size_t{0}, std::size_t{2}}) {
    const auto flow = shaken<double>(pf::glow<double>(kinds[kind], rng), shake(kinds[kind]), rng);
    const Tensor<double> x = flow.sample(2, rng);
    CHECK_NOTHROW(pf::testing::check_gradients([&](const Tensor<double>& at) { return flow.log_prob(at); }, x,
                                               {.order = kind == 0 ? 2 : 1}));
    CHECK_NOTHROW(pf::testing::check_module(flow, [&](const auto& f) { return -pf::mean(f.log_prob(x)); }));
    // Along a random direction of all parameters at once.
    const auto direction = shaken<double>(flow, 1, rng);
    auto at = [&](const Tensor<double>& t) {
      auto moved = flow;
      std::vector<Tensor<double>> ends;
      pf::for_each_parameter<double>(direction, [&](const auto&, const auto& p) { ends.push_back(p.tensor()); });
      std::size_t i = 0;
      pf::for_each_parameter<double>(moved, [&](const pf::Path&, pf::Parameter<double>& p) {
        static_cast<Tensor<double>&>(p) = p.tensor() + t * (ends[i++] - p.tensor());
      });
      return pf::sum(moved.log_prob(x));
    };
    CHECK_NOTHROW(pf::testing::check_gradients(at, Tensor<double>::scalar(0.1), {.order = 2}));
  }
}

TEST_CASE("fit finds what images have in common, the same bits on any number of threads") {
  auto trained = [](int threads, bool real_nvp) {
    const int before = pf::num_threads();
    pf::set_num_threads(threads);
    pf::Rng rng(7);
    const pf::ImageFlowOptions options{.height = 4, .width = 4, .steps = 4, .hidden = {16, 16}};
    auto flow = real_nvp ? pf::real_nvp_images(options, rng) : pf::glow(options, rng);
    pf::fit(
        flow, bars(512, rng), pf::mle,
        {.epochs = 12, .batch_size = 32, .optimizer = pf::Adam({.learning_rate = 3e-3}), .progress = pf::Progress::off},
        rng);
    const double nats = flow.log_prob(bars(500, rng)).mean();
    pf::set_num_threads(before);
    return nats;
  };
  // Four bars with entropy 0 each, noise of 0.05 in 16 pixels, less what 4 bars take of it: the sum over bars of
  // log(0.05) 3 + log(2 pi e) 3 / 2 - log(4) / 2 in nats gives 4 * 5.43 as the most.
  const double nats = trained(1, false);
  CHECK(nats > 8);
  CHECK(nats < 21.8);
  CHECK(trained(2, false) == nats);
  CHECK(trained(1, true) > 8);
}

TEST_CASE("on a labelled base Glow has a density, draws and probabilities of each class") {
  pf::Rng rng(8);
  const pf::LabelledNormal<double> base(3, 16, rng, 0.5);
  const auto flow = shaken<double>(pf::glow<double>(kinds[0], base, rng), 0.1, rng);
  const Tensor<Index> labels(pf::Shape{4}, {0, 1, 2, 1});
  const Tensor<double> x = flow.sample(labels, rng);
  REQUIRE(x.shape() == pf::Shape{4, 1, 4, 4});
  std::vector<Tensor<double>> each;
  for (const Index k : {0, 1, 2}) each.push_back(flow.log_prob(x, Tensor<Index>::full({4}, k)));
  const Tensor<double> mixture = pf::logsumexp(pf::stack(each, 0), 0) - std::log(3.0);
  CHECK(pf::max(pf::abs(mixture - flow.log_prob(x))).item() < 1e-9);
  CHECK(flow.label_probabilities(x).shape() == pf::Shape{4, 3});
  CHECK(flow.log_prob(x, labels)(3) == Approx(each[1](3)));
}

TEST_CASE("every draw of a flow that ends with a logit has a density, also at the ends of the range") {
  pf::Rng rng(10);
  // Latents of 8 standard deviations reach where neighbouring pixels are one float apart.
  const auto flow = pf::glow({.height = 4, .width = 4, .levels = 1, .steps = 2, .hidden = {8}, .logit = 1e-6},
                             pf::Normal<>(Tensor<>::zeros({16}), Tensor<>::full({16}, 8.0f)), rng);
  const Tensor<> x = flow.sample(200, rng);
  CHECK(pf::sum(pf::abs(x) > 0.5f).item() > 20);
  for (const float nats : flow.log_prob(x)) CHECK(std::isfinite(nats));
}

TEST_CASE("image flows refuse sizes, bases and options that do not fit") {
  pf::Rng rng(9);
  CHECK_THROWS_AS(pf::glow({.height = 27, .width = 29, .levels = 1}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::glow({.height = 28, .width = 28, .levels = 3}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::glow({.levels = 1}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::glow({.channels = 0, .height = 4, .width = 4}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::glow({.height = 4, .width = 4, .levels = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::real_nvp_images({.height = 4, .width = 4, .steps = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::glow({.height = 4, .width = 4, .hidden = {}}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::glow({.height = 4, .width = 4, .hidden = {0}}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::glow({.height = 4, .width = 4}, pf::standard_normal(15), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::glow({.height = 4, .width = 4}, pf::LabelledNormal<>(3, 1, rng), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::real_nvp_images({.height = 4, .width = 4}, pf::LabelledNormal<>(3, 4, rng), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::glow({.height = 4, .width = 4}, pf::LearnedMixture<>(3, 1, rng), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::glow({.height = 4, .width = 4}, pf::LearnedNormal<>(1), rng), pf::ShapeError);
  auto flow = pf::glow({.height = 4, .width = 4}, rng);
  CHECK_THROWS_AS(flow.log_prob(Tensor<>::zeros({2, 3, 4, 4})), pf::ShapeError);
  CHECK_THROWS_AS(flow.log_prob(Tensor<>::zeros({2, 16})), pf::ShapeError);
  CHECK_THROWS_AS(flow.initialize(Tensor<>::zeros({0, 1, 4, 4})), pf::ValueError);
  CHECK_THROWS_WITH(pf::glow({.height = 27, .width = 29, .levels = 1}, rng), Catch::Contains("27 x 29"));
}
