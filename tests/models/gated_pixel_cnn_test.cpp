#include <pushforward/models/autoregressive/gated_pixel_cnn.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>

#include "support/image_models.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::GatedPixelCnnOptions;
using pf::Index;
using pf::Shape;
using pf::Tensor;

namespace {

template <class S>
auto binary(const GatedPixelCnnOptions& options, pf::Rng& rng) {
  auto model = pf::gated_pixel_cnn_bernoulli<S>(options, rng);
  support::stir<S>(model, 1.5, 0.1, rng);
  return model;
}

template <class S>
auto leveled(const GatedPixelCnnOptions& options, pf::Rng& rng) {
  auto model = pf::gated_pixel_cnn_categorical<S>(options, rng);
  support::stir<S>(model, 1.5, 0.1, rng);
  return model;
}

}  // namespace

TEST_CASE("gated pixel cnn: every number sees all before it and nothing else, and cached draws are whole passes") {
  pf::Rng rng(1);
  // Hidden units of the head are many enough that not all of a pixel's are at rest.
  const pf::testing::AutoregressiveCheckOptions whole{.whole_past = true};
  SECTION("binary") {
    const auto model =
        binary<double>({.height = 6, .width = 5, .features = 4, .layers = 5, .first_kernel = 3, .head = 16}, rng);
    pf::testing::check_autoregressive(model, support::random_levels<double>({2, 1, 6, 5}, 2, rng), rng, whole);
  }
  SECTION("another order of sizes, in float") {
    const auto model = binary<float>({.height = 3, .width = 8, .features = 3, .layers = 5, .head = 16}, rng);
    pf::testing::check_autoregressive(model, support::random_levels<float>({2, 1, 3, 8}, 2, rng), rng, whole);
  }
  SECTION("wide kernels") {
    const auto model = binary<double>(
        {.height = 4, .width = 4, .features = 3, .layers = 2, .first_kernel = 5, .kernel = 5, .head = 16}, rng);
    pf::testing::check_autoregressive(model, support::random_levels<double>({2, 1, 4, 4}, 2, rng), rng, whole);
  }
  SECTION("a bias for each place") {
    const auto model = binary<double>(
        {.height = 5, .width = 4, .features = 4, .layers = 4, .first_kernel = 3, .head = 16, .location_bias = true},
        rng);
    pf::testing::check_autoregressive(model, support::random_levels<double>({2, 1, 5, 4}, 2, rng), rng, whole);
  }
  SECTION("three colors of some levels") {
    const auto model = leveled<double>(
        {.colors = 3, .height = 4, .width = 3, .levels = 4, .features = 9, .layers = 3, .first_kernel = 3, .head = 45},
        rng);
    pf::testing::check_autoregressive(model, support::random_levels<double>({2, 3, 4, 3}, 4, rng), rng, whole);
  }
  SECTION("embedded codes") {
    const auto model = leveled<double>(
        {.height = 4, .width = 4, .levels = 7, .embedding = 3, .features = 4, .layers = 4, .first_kernel = 3}, rng);
    pf::testing::check_autoregressive(
        model, support::random_levels<double>({2, 1, 4, 4}, 7, rng), rng,
        {.gradients = false, .whole_past = true, .draw = {.temperature = 0.7, .top_k = 4}});
  }
}

TEST_CASE("gated pixel cnn: cached completions have the bits of whole passes, whatever the size and the threads") {
  const auto check = [](auto zero, const GatedPixelCnnOptions& options, Index n) {
    using S = decltype(zero);
    pf::Rng rng(3);
    const auto model = binary<S>(options, rng);
    const Tensor<S> x = support::random_levels<S>({n, 1, options.height, options.width}, 2, rng);
    // Knows the upper half, or the left half.
    const Tensor<S> known = Tensor<S>::generate(x.shape().without(0), [&](Index i) {
      return n % 2 ? S(i / options.width < options.height / 2) : S(i % options.width < options.width / 2);
    });
    support::check_completions(model, x, known,
                               Tensor<Index>::generate({options.classes ? n : 0}, [](Index i) { return i % 3; }));
  };
  check(0.0f, {.height = 27, .width = 29, .features = 5, .layers = 2}, 1);
  check(0.0f, {.height = 3, .width = 5, .features = 32, .layers = 7}, 40);
  check(0.0, {.height = 3, .width = 4, .features = 32, .layers = 7}, 41);
  check(0.0f, {.height = 5, .width = 4, .features = 6, .layers = 3, .classes = 3}, 5);
  check(0.0, {.height = 4, .width = 5, .features = 6, .layers = 3, .classes = 3}, 4);
  check(0.0f, {.height = 1, .width = 1, .features = 2, .layers = 1}, 1);
  check(0.0, {.height = 40, .width = 1, .features = 8, .layers = 2}, 2);
}

TEST_CASE("gated pixel cnn: probabilities of all images sum to one, with classes for each of them") {
  pf::Rng rng(7);
  const GatedPixelCnnOptions small{.height = 2, .width = 4, .features = 5, .layers = 3, .first_kernel = 3};
  CHECK(pf::exp(binary<double>(small, rng).log_prob(support::all_images(1, 2, 4, 2))).sum() ==
        Approx(1).epsilon(1e-12));
  GatedPixelCnnOptions classes = small;
  classes.classes = 2;
  const auto model = binary<double>(classes, rng);
  const Tensor<double> each = pf::exp(model.log_prob_by_class(support::all_images(1, 2, 4, 2)));  // [256, 2]
  CHECK(pf::slice(each, 1, 0, 1).sum() == Approx(1).epsilon(1e-12));
  CHECK(pf::slice(each, 1, 1, 2).sum() == Approx(1).epsilon(1e-12));
  CHECK(std::abs(each(0, 0) - each(0, 1)) > 1e-6);
}

TEST_CASE("gated pixel cnn: a location bias tells apart places that a convolution takes for the same") {
  // Far from every edge what a pixel depends on is all black: without the bias its probability is the same anywhere.
  pf::Rng rng(8);
  GatedPixelCnnOptions options{.height = 12, .width = 12, .features = 4, .layers = 2, .first_kernel = 3};
  const auto difference = [&] {
    const Tensor<double> logits = binary<double>(options, rng).parameters(Tensor<double>::zeros({1, 1, 12, 12}));
    return std::abs(pf::reshape(logits, {12, 12})(5, 5) - pf::reshape(logits, {12, 12})(6, 6));
  };
  CHECK(difference() < 1e-12);
  options.location_bias = true;
  CHECK(difference() > 1e-6);
}

TEST_CASE("gated pixel cnn: draws come as often as log_prob says") {
  pf::Rng rng(9);
  const auto model = binary<double>({.height = 2, .width = 2, .features = 6, .layers = 3, .first_kernel = 3}, rng);
  const Index n = 20'000;
  const Tensor<double> drawn = model.sample(n, rng), p = pf::exp(model.log_prob(support::all_images(1, 2, 2, 2)));
  std::vector<double> counts(16, 0);
  for (Index i = 0; i < n; ++i) {
    double code = 0;
    for (Index j = 3; j >= 0; --j) code = 2 * code + drawn.data()[i * 4 + j];
    counts[static_cast<std::size_t>(code)] += 1;
  }
  double chi_square = 0;
  for (Index k = 0; k < 16; ++k) {
    const double expected = static_cast<double>(n) * p.data()[k];
    chi_square += std::pow(counts[static_cast<std::size_t>(k)] - expected, 2) / expected;
  }
  CHECK(chi_square < 37.7);  // 15 degrees of freedom: exceeded once in a thousand
  const Tensor<double> likeliest = model.sample(2, rng, {.temperature = 0});
  CHECK(support::same_bits(pf::slice(likeliest, 0, 0, 1), pf::slice(likeliest, 0, 1, 2)));
}

// The network as van den Oord et al. describe it, on plain operations: convolutions over padded images whose last rows
// or columns are cut off.
Tensor<double> plain_logits(const pf::GatedPixelNet<double>& net, const Tensor<double>& x) {
  std::vector<Tensor<double>> weights;
  pf::for_each_parameter<double>(net, [&](const pf::Path&, const pf::Parameter<double>& p) { weights.push_back(p); });
  auto next = weights.begin();
  const auto conv = [&](const Tensor<double>& u) {
    const Tensor<double> w = *next++, b = *next++;
    return pf::conv2d(u, w, b);
  };
  const auto gate = [](const Tensor<double>& u) {
    const auto [a, b] = pf::split<2>(u, 1);
    return pf::tanh(a) * pf::sigmoid(b);
  };
  Tensor<double> v = x, h = x;
  for (int l = 0; l < 7; ++l) {
    const Index reach = l == 0 ? 3 : 1, above = l == 0 ? 3 : 1;
    Tensor<double> p = conv(pf::pad(pf::pad(v, 2, above, 0), 3, reach, reach));
    Tensor<double> q = conv(pf::pad(h, 3, reach, 0));
    if (l == 0) p = pf::slice(p, 2, 0, 28), q = pf::slice(q, 3, 0, 28);
    v = gate(p);
    const Tensor<double> part = conv(p), out = conv(gate(q + part));
    h = l == 0 ? out : h + out;
  }
  const Tensor<double> hidden = pf::relu(conv(h));
  return conv(hidden);
}

TEST_CASE("gated pixel cnn: the default network is that of 7 layers, 32 features and kernels 7 and 3") {
  pf::Rng rng(11);
  const auto model = binary<double>({}, rng);
  CHECK(pf::count_parameters(model) == 138'337);
  const Tensor<double> x = support::random_levels<double>({2, 1, 28, 28}, 2, rng);
  const Tensor<double> got = model.parameters(x), expected = plain_logits(model.net(), x);
  REQUIRE(got.shape() == Shape{2, 1, 1, 28, 28});
  CHECK(pf::abs(pf::reshape(got, expected.shape()) - expected).max() < 1e-11);
}

TEST_CASE("gated pixel cnn: gates, and the density, have the right gradients of two orders") {
  pf::Rng rng(13);
  const Tensor<double> p = pf::normal<double>({2, 6, 2, 3}, rng), q = pf::normal<double>({2, 6, 2, 3}, rng);
  const Tensor<double> bias = pf::normal<double>({2, 6}, rng), up = pf::normal<double>({2, 3, 2, 3}, rng);
  using T = const Tensor<double>&;
  const auto weighted = [&](T a, T b, T c) { return pf::sum(up * pf::detail::pixel_gate(a, b, c)); };
  pf::testing::check_gradients([&](T a) { return weighted(a, q, bias); }, p, {.order = 2});
  pf::testing::check_gradients([&](T b) { return weighted(p, b, bias); }, q, {.order = 2});
  pf::testing::check_gradients([&](T c) { return weighted(p, q, c); }, bias, {.order = 2});
  pf::testing::check_gradients([&](T a) { return weighted(a, {}, {}); }, p, {.order = 2});

  const auto model =
      binary<double>({.height = 3, .width = 4, .features = 3, .layers = 2, .first_kernel = 3, .classes = 2}, rng);
  const Tensor<double> x = pf::uniform<double>({2, 1, 3, 4}, rng, 0.1, 0.9);
  const Tensor<Index> labels{0, 1};
  pf::testing::check_gradients([&](T at) { return pf::sum(model.log_prob(at, labels)); }, x, {.order = 2});
  pf::testing::check_module(model, [&](const auto& m) { return m.log_prob(x, labels); });
}

TEST_CASE("gated pixel cnn: a large batch, which is scored in parts, has the values and gradients of a whole") {
  pf::Rng rng(14);
  const auto model = binary<double>({.height = 24, .width = 20, .features = 2, .layers = 2, .classes = 2}, rng);
  const Index n = 50;  // of 480 pixels: three parts
  const Tensor<double> x = support::random_levels<double>({n, 1, 24, 20}, 2, rng),
                       weight = pf::normal<double>({n}, rng);
  const Tensor<Index> labels = Tensor<Index>::generate({n}, [](Index i) { return i % 2; });
  const auto whole = [&] {
    const Tensor<double> y = model.parameters(x, labels);
    return model.conditional().log_prob(pf::reshape(y, {n, 1, 480}), pf::reshape(x, {n, 480}));
  };
  const Tensor<double> parts = model.log_prob(x, labels);
  CHECK(support::same_bits(parts, whole()));
  const Tensor<double> a = pf::sum(parts * weight), b = pf::sum(whole() * weight);
  std::vector<Tensor<double>> variables;
  pf::for_each_parameter<double>(model, [&](const pf::Path&, const auto& p) { variables.push_back(p.tensor()); });
  const auto first_a = pf::gradient(a, variables, {.create_graph = true});
  const auto first_b = pf::gradient(b, variables, {.create_graph = true});
  Tensor<double> square_a = Tensor<double>::scalar(0), square_b = square_a;
  for (std::size_t i = 0; i < variables.size(); ++i) {
    CHECK(pf::abs(first_a[i] - first_b[i]).max() < 1e-9);
    square_a = square_a + pf::sum(pf::square(first_a[i]));
    square_b = square_b + pf::sum(pf::square(first_b[i]));
  }
  const auto second_a = pf::gradient(square_a, variables), second_b = pf::gradient(square_b, variables);
  for (std::size_t i = 0; i < variables.size(); ++i)
    CHECK(pf::abs(second_a[i] - second_b[i]).max() < 1e-9 * (1 + pf::abs(second_b[i]).max()));
}

TEST_CASE("gated pixel cnn: trains by maximum likelihood, also with labels") {
  pf::Rng rng(15);
  const auto model = binary<float>({.height = 4, .width = 4, .features = 4, .layers = 2, .classes = 3}, rng);
  const Tensor<> x = support::random_levels<float>({3, 1, 4, 4}, 2, rng);
  const Tensor<Index> labels{0, 2, 1};
  CHECK(pf::mle(model, x, labels).item() == Approx(-model.log_prob(x, labels).mean()));
}

TEST_CASE("gated pixel cnn: what does not fit is refused by name") {
  pf::Rng rng(17);
  const auto make = [&](const GatedPixelCnnOptions& o) { return pf::gated_pixel_cnn_bernoulli(o, rng); };
  CHECK_THROWS_AS(make({.height = 0}), pf::ValueError);
  CHECK_THROWS_AS(make({.layers = 0}), pf::ValueError);
  CHECK_THROWS_AS(make({.features = -1}), pf::ValueError);
  CHECK_THROWS_AS(make({.first_kernel = 4}), pf::ValueError);
  CHECK_THROWS_AS(make({.kernel = 1}), pf::ValueError);
  CHECK_THROWS_AS(make({.colors = 3, .features = 32}), pf::ValueError);
  CHECK_THROWS_AS(make({.embedding = 4}), pf::ValueError);
  CHECK_THROWS_AS(make({.classes = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::gated_pixel_cnn_categorical({}, rng), pf::ValueError);

  const GatedPixelCnnOptions small{.height = 5, .width = 4, .features = 2, .layers = 2};
  const auto model = make(small);
  CHECK_THROWS_WITH(model.log_prob(Tensor<>::zeros({2, 1, 4, 4})),
                    Catch::Matchers::ContainsSubstring("expected [n, 1, 5, 4]"));
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 3, 5, 4})), pf::ShapeError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::zeros({2, 20})), pf::ShapeError);
  CHECK_THROWS_AS(model.complete(Tensor<>::zeros({2, 1, 5, 4}), Tensor<>::zeros({3}), rng), pf::ShapeError);
  CHECK_THROWS_AS(model.sample(2, rng, {.temperature = -1}), pf::ValueError);
  CHECK_THROWS_AS(model.log_prob(Tensor<>::full({2, 1, 5, 4}, 255.0f)), pf::ValueError);
  support::check_refused_numbers(model, Tensor<>::zeros({2, 1, 5, 4}), 255);
  CHECK(model.sample(0, rng).shape() == Shape{0, 1, 5, 4});
  CHECK(model.log_prob(Tensor<>::zeros({0, 1, 5, 4})).shape() == Shape{0});

  GatedPixelCnnOptions classes = small;
  classes.classes = 3;
  support::check_refused_labels(make(classes), model, "GatedPixelCnn");

  const auto codes = pf::gated_pixel_cnn_categorical(
      {.height = 5, .width = 4, .levels = 4, .embedding = 2, .features = 2, .layers = 2}, rng);
  CHECK_THROWS_AS(codes.parameters(Tensor<>::full({1, 1, 5, 4}, 4.0f)), pf::ValueError);
  CHECK_THROWS_AS(codes.parameters(Tensor<>::full({1, 1, 5, 4}, -1.0f)), pf::ValueError);
  CHECK_THROWS_AS(codes.log_prob(Tensor<>::full({1, 1, 5, 4}, 0.5f)), pf::ValueError);
  support::check_refused_numbers(codes, Tensor<>::zeros({2, 1, 5, 4}), 9);
}
