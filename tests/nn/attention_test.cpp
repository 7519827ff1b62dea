#include <limits>
#include <numbers>
#include <vector>

#include "pushforward/nn/attention.hpp"
#include "pushforward/nn/embedding.hpp"
#include "pushforward/nn/transformer.hpp"
#include "pushforward/ops/cast.hpp"
#include "pushforward/testing.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Rng;
using pf::Shape;
using pf::Tensor;
using pf::testing::check_gradients;
using pf::testing::check_module;

namespace {

double largest_difference(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  return a.empty() ? 0.0 : pf::abs(a - b).max();
}

template <class S>
bool same_bits(const Tensor<S>& a, const Tensor<S>& b) {
  return a.shape() == b.shape() && std::equal(a.begin(), a.end(), b.begin());
}

// The definition, one query at a time: x [n, heads, t, d].
Tensor<double> naive_attention(const Tensor<double>& q, const Tensor<double>& k, const Tensor<double>& v, bool causal,
                               double scale) {
  const Index t = q.size(2), s = k.size(2), d = q.size(3), n = v.size(3);
  return Tensor<double>::generate(q.shape().with(3, n), [&](Index at) {
    const Index column = at % n, row = at / n % t, head = at / n / t;
    double total = 0, value = 0;
    for (Index j = 0; j < (causal ? s - t + row + 1 : s); ++j) {
      double score = 0;
      for (Index i = 0; i < d; ++i) score += q.data()[(head * t + row) * d + i] * k.data()[(head * s + j) * d + i];
      const double weight = std::exp(scale * score);
      total += weight;
      value += weight * v.data()[(head * s + j) * n + column];
    }
    return value / total;
  });
}

// Numbers that follow no pattern, and that another program can compute: a sine of their place.
Tensor<double> wave(const Shape& shape, double phase, double size = 0.5) {
  return Tensor<double>::generate(shape, [=](Index i) {
    return size * std::sin(1.7 * static_cast<double>(i) * static_cast<double>(i + 1) + phase);
  });
}

}  // namespace

TEST_CASE("scaled_dot_product_attention is its definition") {
  Rng rng(1);
  struct Case {
    Index n, heads, t, s, d, values;
    bool causal;
  };
  for (const Case c : {Case{2, 3, 5, 5, 4, 4, true}, Case{1, 2, 3, 7, 5, 2, true}, Case{2, 1, 7, 3, 8, 5, false},
                       Case{1, 1, 1, 1, 1, 1, true}, Case{1, 1, 70, 70, 3, 33, true}, Case{1, 2, 40, 131, 6, 6, false},
                       Case{2, 1, 1, 9, 4, 4, true}, Case{0, 2, 3, 3, 2, 2, false}, Case{1, 2, 0, 3, 2, 2, true}}) {
    INFO(c.t << " queries, " << c.s << " keys, causal " << c.causal);
    const auto q = pf::normal<double>({c.n, c.heads, c.t, c.d}, rng),
               k = pf::normal<double>({c.n, c.heads, c.s, c.d}, rng),
               v = pf::normal<double>({c.n, c.heads, c.s, c.values}, rng);
    const auto y = pf::scaled_dot_product_attention(q, k, v, {.causal = c.causal});
    CHECK(largest_difference(y, naive_attention(q, k, v, c.causal, 1 / std::sqrt(static_cast<double>(c.d)))) < 1e-13);
    const auto other = pf::scaled_dot_product_attention(q, k, v, {.causal = c.causal, .scale = -0.7});
    CHECK(largest_difference(other, naive_attention(q, k, v, c.causal, -0.7)) < 1e-13);
  }
  // Floats take other kernels; scores of hundreds must not overflow.
  const auto q = 30 * pf::normal({1, 2, 33, 16}, rng), k = pf::normal({1, 2, 33, 16}, rng),
             v = pf::normal({1, 2, 33, 16}, rng);
  const auto exact = naive_attention(pf::cast<double>(q), pf::cast<double>(k), pf::cast<double>(v), true, 0.25);
  const auto y = pf::scaled_dot_product_attention(q, k, v, {.causal = true});
  CHECK(largest_difference(pf::cast<double>(y), exact) < 1e-4);
}

TEST_CASE("scaled_dot_product_attention has right gradients to order 3") {
  Rng rng(2);
  for (const bool causal : {false, true}) {
    const auto attend = [=](auto q, auto k, auto v) {
      return pf::scaled_dot_product_attention(q, k, v, {.causal = causal});
    };
    const auto q = pf::normal<double>({2, 2, 3}, rng), k = pf::normal<double>({2, 3, 3}, rng),
               v = pf::normal<double>({2, 3, 2}, rng);
    CHECK_NOTHROW(check_gradients(attend, {q, k, v}, {.order = 3}));
  }
}

TEST_CASE("the fused gradients of attention are those of plain operations, in blocks too") {
  Rng rng(3);
  for (const bool causal : {false, true}) {
    const auto q = pf::variable(pf::normal<double>({2, 61, 5}, rng)),
               k = pf::variable(pf::normal<double>({2, 67, 5}, rng)),
               v = pf::variable(pf::normal<double>({2, 67, 37}, rng)), c = pf::normal<double>({2, 61, 37}, rng);
    const auto loss = pf::sum(c * pf::scaled_dot_product_attention(q, k, v, {.causal = causal}));
    const auto fused = pf::gradient(loss, {q, k, v}), plain = pf::gradient(loss, {q, k, v}, {.create_graph = true});
    for (std::size_t i = 0; i < 3; ++i) CHECK(largest_difference(fused[i], plain[i]) < 1e-12);
  }
}

TEST_CASE("MultiHeadAttention gives PyTorch's numbers for PyTorch's weights") {
  // torch.nn.MultiheadAttention(4, 2, batch_first=True) in double, its weights and inputs being the waves below.
  Rng rng(4);
  pf::MultiHeadAttention<double> layer(4, 2, rng);
  double phase = 0;
  pf::for_each_parameter<double>(layer,
                                 [&](const pf::Path&, pf::Parameter<double>& p) { p = wave(p.shape(), phase += 0.1); });
  const auto x = wave({1, 3, 4}, 1, 2), context = wave({1, 2, 4}, 2, 2);
  CHECK(largest_difference(
            layer(x), Tensor<double>({1, 3, 4}, {0.823699142747554, -0.114980644029149, -0.720027173006538,
                                                 0.848644240174627, 0.559399961336834, -0.0324752942593964,
                                                 -0.547350362562882, 0.795034007463705, -0.162185852544801,
                                                 -0.376550032054017, -0.0513870191040791, 0.699328067746606})) < 1e-13);
  CHECK(largest_difference(layer(x, context),
                           Tensor<double>({1, 3, 4}, {0.0956748972592863, 0.445999036001145, -1.23380670247309,
                                                      0.125648883152191, 0.211008330254773, 0.433396319890133,
                                                      -1.27177604954472, 0.434305871329347, -0.339864563598278,
                                                      -0.609846530781236, 0.0563142862427904, 0.513068377976305})) <
        1e-13);
  layer.options.causal = true;
  CHECK(largest_difference(
            layer(x), Tensor<double>({1, 3, 4}, {-0.573569641429414, -0.778477653805002, 0.643379904193549,
                                                 0.763480300588062, 0.544978098322617, 0.142446080883549,
                                                 -0.134357309891335, 0.881461513124296, -0.162185852544801,
                                                 -0.376550032054017, -0.0513870191040791, 0.699328067746606})) < 1e-13);
}

TEST_CASE("TransformerBlock gives PyTorch's numbers for PyTorch's weights") {
  // torch.nn.TransformerEncoderLayer(4, 2, 6, 0.0, 'gelu', norm_first=True, batch_first=True) with a causal mask.
  Rng rng(5);
  pf::TransformerBlock<double> block(4, 2, rng, {.hidden = 6});
  double phase = 0;
  pf::for_each_parameter<double>(block,
                                 [&](const pf::Path&, pf::Parameter<double>& p) { p = wave(p.shape(), phase += 0.1); });
  CHECK(largest_difference(
            block(wave({1, 3, 4}, 1, 2)),
            Tensor<double>({1, 3, 4}, {2.69574438783195, -2.89564234701559, -1.34751990058029, 2.57090009477337,
                                       0.0676952458243175, 0.768117930554884, -0.290823176688614, 3.03063685328616,
                                       -0.588249535850967, -1.44210537890648, -1.17023702203741, -0.340374888136419})) <
        1e-13);
}

TEST_CASE("attention layers are modules with right gradients to order 2") {
  Rng rng(6);
  const auto x = pf::normal<double>({2, 3, 4}, rng), context = pf::normal<double>({2, 2, 4}, rng);
  for (const bool rotary : {false, true}) {
    const pf::MultiHeadAttention<double> layer(4, 2, rng, {.causal = true, .rotary = rotary});
    CHECK_NOTHROW(check_module(layer, x));
    CHECK_NOTHROW(check_gradients(layer, x, {.order = 2}));
  }
  const pf::MultiHeadAttention<double> plain(4, 2, rng, {.bias = false}), biased(4, 2, rng);
  CHECK(pf::count_parameters(plain) == 4 * 16);
  CHECK(pf::count_parameters(biased) == 4 * 16 + 4 * 4);
  CHECK_NOTHROW(check_module(plain, x));
  CHECK_NOTHROW(check_gradients([&](auto a, auto b) { return plain(a, b); }, {x, context}, {.order = 2}));
  const pf::TransformerBlock<double> block(4, 2, rng, {.hidden = 5});
  CHECK_NOTHROW(check_module(block, x));
  CHECK_NOTHROW(check_gradients(block, x, {.order = 2}));
  // The weights' gradients to order 2, too: they are inputs of the same operations.
  CHECK_NOTHROW(check_gradients(
      [&](auto weight) {
        auto layer = plain;
        layer.heads = 2;
        return pf::detail::self_attention(pf::linear(x, weight, {}), 2, {.causal = true});
      },
      plain.in_proj_weight.tensor(), {.order = 2}));
}

TEST_CASE("causal layers see nothing of the future, and all of the past") {
  Rng rng(7);
  for (const bool rotary : {false, true}) {
    const pf::TransformerBlock<double> block(4, 2, rng, {.rotary = rotary});
    const auto slopes = pf::jacobian(block, pf::normal<double>({1, 4, 4}, rng));  // [1, t, 4, 1, s, 4]
    const auto size = pf::sum(pf::abs(slopes), {0, 2, 3, 5});                     // [t, s]
    for (Index t = 0; t < 4; ++t)
      for (Index s = 0; s < 4; ++s) CHECK((size(t, s) != 0) == (s <= t));
  }
  const pf::TransformerBlock<double> open(4, 2, rng, {.causal = false});
  CHECK(pf::sum(pf::abs(pf::jacobian(open, pf::normal<double>({1, 3, 4}, rng))), {0, 2, 3, 5}).min() > 0);
}

TEST_CASE("step with a cache gives the bits of the whole sequence, however it is cut") {
  Rng rng(8);
  struct Case {
    Index n, t, features, heads, hidden;
    bool rotary;
  };
  for (const Case c : {Case{1, 70, 32, 4, 128, false}, Case{2, 37, 36, 3, 45, true}, Case{3, 5, 6, 1, 7, true},
                       Case{1, 3, 4, 2, 3, false}, Case{5, 2, 10, 5, 1, true}}) {
    INFO(c.n << " sequences of " << c.t << " positions with " << c.features << " features");
    const pf::TransformerBlock<> block(c.features, c.heads, rng, {.hidden = c.hidden, .rotary = c.rotary});
    const Tensor<> x = pf::normal({c.n, c.t, c.features}, rng), whole = block(x);
    for (const Index piece : {Index{1}, Index{3}, c.t}) {
      auto cache = block.cache(c.n, c.t + 5);
      for (Index first = 0; first < c.t; first += piece) {
        const Index last = std::min(c.t, first + piece);
        const Tensor<> y = block.step(pf::slice(x, 1, first, last), cache);
        CHECK(same_bits(y, pf::slice(whole, 1, first, last)));
      }
      CHECK(cache.length() == c.t);
    }
  }
}

TEST_CASE("a cache is a value: copies go on by themselves, and can be cut back") {
  Rng rng(9);
  const pf::MultiHeadAttention<> layer(8, 2, rng, {.causal = true});
  const Tensor<> x = pf::normal({1, 4, 8}, rng), other = pf::normal({1, 1, 8}, rng), whole = layer(x);
  auto cache = layer.cache(1, 4);
  layer.step(pf::slice(x, 1, 0, 3), cache);
  auto branch = cache;
  layer.step(other, branch);
  CHECK(same_bits(layer.step(pf::slice(x, 1, 3, 4), cache), pf::slice(whole, 1, 3, 4)));
  branch.truncate(2);
  CHECK(same_bits(layer.step(pf::slice(x, 1, 2, 4), branch), pf::slice(whole, 1, 2, 4)));
  CHECK_THROWS_WITH(branch.truncate(5), ContainsSubstring("expected 0 to the 4 positions"));
}

TEST_CASE("rotary_embedding turns pairs by the position, so that products depend on distances") {
  Rng rng(10);
  const auto x = pf::normal<double>({2, 3, 4}, rng);
  const auto y = pf::rotary_embedding(x, {.base = 100, .first = 5});
  for (Index n = 0; n < 2; ++n)
    for (Index t = 0; t < 3; ++t)
      for (Index i = 0; i < 2; ++i) {
        const double angle = static_cast<double>(5 + t) * std::pow(100.0, -static_cast<double>(i) / 2);
        const double a = x(n, t, 2 * i), b = x(n, t, 2 * i + 1);
        CHECK(std::abs(y(n, t, 2 * i) - (a * std::cos(angle) - b * std::sin(angle))) < 1e-14);
        CHECK(std::abs(y(n, t, 2 * i + 1) - (a * std::sin(angle) + b * std::cos(angle))) < 1e-14);
      }
  CHECK_NOTHROW(check_gradients([](auto v) { return pf::rotary_embedding(v); }, x, {.order = 2}));
  // A shift of all positions changes no product of a query and a key, hence no result of a layer.
  const auto q = pf::normal<double>({1, 6, 4}, rng), k = pf::normal<double>({1, 6, 4}, rng);
  const auto products = [&](Index first) {
    return pf::matmul(pf::rotary_embedding(q, {.first = first}), pf::rotary_embedding(k, {.first = first}),
                      {.transpose_b = true});
  };
  CHECK(largest_difference(products(0), products(1000)) < 1e-11);
}

TEST_CASE("attention gives the same bits for any number of threads") {
  Rng rng(11);
  const Tensor<> qkv = pf::variable(pf::normal({6, 90, 3 * 24}, rng)), c = pf::normal({6, 90, 24}, rng);
  const auto run = [&](int threads) {
    const int before = pf::num_threads();
    pf::set_num_threads(threads);
    const Tensor<> y = pf::detail::self_attention(qkv, 3, {.causal = true}), g = pf::gradient(pf::sum(c * y), qkv);
    pf::set_num_threads(before);
    return pf::concat({pf::stop_gradient(y), g}, -1);
  };
  CHECK(same_bits(run(1), run(4)));
}

TEST_CASE("attention says what is wrong with its arguments") {
  Rng rng(12);
  const Tensor<> x = pf::normal({1, 3, 6}, rng), wide = pf::normal({1, 3, 7}, rng);
  CHECK_THROWS_WITH(pf::MultiHeadAttention<>(6, 4, rng), ContainsSubstring("6 features for 4 heads"));
  CHECK_THROWS_WITH(pf::MultiHeadAttention<>(6, 2, rng, {.rotary = true}), ContainsSubstring("even number"));
  CHECK_THROWS_AS(pf::TransformerBlock<>(6, 4, rng), pf::ShapeError);
  const pf::MultiHeadAttention<> open(6, 2, rng), causal(6, 2, rng, {.causal = true});
  CHECK_THROWS_WITH(open(wide), ContainsSubstring("expected [n, t, 6]"));
  CHECK_THROWS_AS(open(pf::normal({3, 6}, rng)), pf::ShapeError);
  CHECK_THROWS_WITH(open(pf::normal({1, 0, 6}, rng)), ContainsSubstring("at least one"));
  CHECK_THROWS_WITH(causal(x, x), ContainsSubstring("expected neither"));
  CHECK_THROWS_AS(pf::scaled_dot_product_attention(x, wide, x), pf::ShapeError);
  CHECK_THROWS_WITH(pf::scaled_dot_product_attention(x, pf::slice(x, 1, 0, 2), pf::slice(x, 1, 0, 2), {.causal = true}),
                    ContainsSubstring("3 causal queries for 2 keys"));
  CHECK_THROWS_AS(pf::rotary_embedding(wide), pf::ShapeError);

  auto cache = causal.cache(1, 4);
  CHECK_THROWS_WITH(causal.step(pf::normal({1, 5, 6}, rng), cache), ContainsSubstring("more than the context of 4"));
  causal.step(x, cache);
  CHECK_THROWS_WITH(causal.step(x, cache), ContainsSubstring("3 positions after 3"));
  CHECK_THROWS_AS(causal.step(pf::normal({2, 1, 6}, rng), cache), pf::ShapeError);
  CHECK_THROWS_AS(causal.cache(1, 0), pf::ShapeError);
  auto wrong = open.cache(1, 4);
  CHECK_THROWS_WITH(open.step(x, wrong), ContainsSubstring(".causal = true"));
  auto changed = causal;
  changed.in_proj_weight = 2 * changed.in_proj_weight;
  CHECK_THROWS_WITH(changed.step(pf::slice(x, 1, 0, 1), cache), ContainsSubstring("other weights"));
}

TEST_CASE("a cache serves the biases and the normalization that it was made with, too") {
  Rng rng(34);
  pf::MultiHeadAttention<> layer(8, 2, rng, {.causal = true});
  const Tensor<> x = pf::normal({3, 1, 8}, rng);
  auto cache = layer.cache(3, 9);
  CHECK_NOTHROW(layer.step(x, cache));
  layer.in_proj_bias = pf::normal({24}, rng);
  CHECK_THROWS_AS(layer.step(x, cache), pf::ValueError);
  pf::TransformerBlock<> block(8, 2, rng);
  auto memory = block.cache(3, 9);
  CHECK_NOTHROW(block.step(x, memory));
  block.norm1.weight = pf::normal({8}, rng);
  CHECK_THROWS_AS(block.step(x, memory), pf::ValueError);
}

TEST_CASE("a step that throws leaves its cache as it was, and steps of nothing change nothing") {
  Rng rng(36);
  const Tensor<> x = pf::normal({2, 2, 8}, rng), next = pf::normal({2, 1, 8}, rng);
  pf::MultiHeadAttention<> layer(8, 2, rng, {.causal = true});
  auto cache = layer.cache(2, 4), same = cache;
  layer.step(x, cache);
  layer.step(x, same);
  const Tensor<> bias = layer.out_proj.bias.tensor();
  layer.out_proj.bias = bias + 1;  // which is used last
  CHECK_THROWS_AS(layer.step(next, cache), pf::ValueError);
  CHECK(cache.length() == 2);
  layer.out_proj.bias = bias;
  CHECK(layer.step(Tensor<>::zeros({2, 0, 8}), cache).shape() == pf::Shape{2, 0, 8});
  CHECK(same_bits(layer.step(next, cache), layer.step(next, same)));

  pf::TransformerBlock<> block(8, 2, rng);
  auto memory = block.cache(2, 4);
  block.step(x, memory);
  const Tensor<> weight = block.linear2.weight.tensor();
  block.linear2.weight = 2 * weight;
  CHECK_THROWS_AS(block.step(next, memory), pf::ValueError);
  CHECK(memory.length() == 2);
  block.linear2.weight = weight;
  block.norm2.bias = pf::normal({8}, rng);
  CHECK_THROWS_AS(block.step(next, memory), pf::ValueError);
  CHECK(memory.length() == 2);
  auto nobody = block.cache(0, 4);
  CHECK(block.step(Tensor<>::zeros({0, 3, 8}), nobody).shape() == pf::Shape{0, 3, 8});
  CHECK(nobody.length() == 3);
  const pf::TransformerBlock<> turned(8, 2, rng, {.rotary = true});
  CHECK(turned(Tensor<>::zeros({0, 3, 8})).shape() == pf::Shape{0, 3, 8});
}

TEST_CASE("attention and transformer blocks refuse options that cannot be") {
  Rng rng(35);
  CHECK_THROWS_AS(pf::MultiHeadAttention<>(8, 2, rng, {.rotary = true, .rotary_base = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::TransformerBlock<>(8, 2, rng, {.hidden = -8}), pf::ValueError);
  CHECK_THROWS_AS(pf::TransformerBlock<>(8, 2, rng, {.dropout = 1.5}), pf::ValueError);
  const pf::MultiHeadAttention<> layer(8, 2, rng, {.causal = true});
  CHECK_THROWS_AS(layer.cache(Index{1} << 31, Index{1} << 31), pf::ShapeError);
}
