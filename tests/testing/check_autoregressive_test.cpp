#include <pushforward/models/autoregressive.hpp>
#include <pushforward/ops/cast.hpp>
#include <pushforward/testing/check_autoregressive.hpp>

#include "support/catch.hpp"
#include "support/models.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Tensor;
using pf::testing::AutoregressiveCheckOptions;
using pf::testing::check_autoregressive;
using pf::testing::CheckFailed;

namespace {

// The sum of what comes before each number, [n, d] -> [n, d]; `ahead` more numbers, too.
Tensor<double> sums(const Tensor<double>& x, Index ahead = 0) {
  const Index d = x.size(1);
  const Tensor<double> sees =
      Tensor<double>::generate({d, d}, [&](Index i) { return i % d < i / d + ahead ? 1.0 : 0.0; });
  return pf::matmul(x, sees, {.transpose_b = true});
}

// Logits of tokens: the sums of tokens up to each position, plus `ahead`.
Tensor<> token_sums(const Tensor<Index>& tokens, Index ahead) {
  const Index t = tokens.size(1);
  return Tensor<>::generate({tokens.size(0), t, 3}, [&](Index i) {
    const Index row = i / 3 / t, position = i / 3 % t;
    Index total = i % 3;
    for (Index j = 0; j <= std::min(t - 1, position + ahead); ++j) total += tokens.data()[row * t + j];
    return static_cast<float>(total);
  });
}

// A binary model whose draws can be made wrong.
struct Draws {
  double mistake = 0;
  bool extra_draw = false;
  Tensor<double> parameters(const Tensor<double>& x) const { return pf::unsqueeze(sums(x) - 1, 1); }
  pf::BernoulliConditional conditional() const { return {}; }
  Tensor<double> complete(const Tensor<double>& x, const Tensor<double>& known, pf::Rng& rng,
                          const pf::DrawOptions& options = {}) const {
    const Tensor<double> y = pf::full_completion(*this, x, known, rng, options);
    if (extra_draw) rng.uniform();
    return y + mistake;
  }
  Tensor<double> sample(Index n, pf::Rng& rng, const pf::DrawOptions& options = {}) const {
    const Tensor<double> nothing = Tensor<double>::zeros({n, 4});
    return pf::full_completion(*this, nothing, nothing, rng, options);
  }
};

// A binary model of classes in an order of its own, last element first, that can cheat where labels are.
enum class Cheat { none, future, neighbor, label, complete, order };
struct Labelled {
  Cheat cheat = Cheat::none;
  Tensor<double> parameters(const Tensor<double>& x, const Tensor<Index>& labels) const {
    const Tensor<double> shift = pf::unsqueeze(pf::cast<double>(labels), 1) * 0.3;
    Tensor<double> seen = pf::flip(sums(pf::flip(x, 1)), 1) + shift;
    if (cheat == Cheat::future)  // element 2 sees element 0 after it, in one class only
      seen = seen + shift * pf::slice(x, 1, 0, 1) * Tensor<double>{0, 0, 1e-9, 0};
    if (cheat == Cheat::neighbor) seen = seen + 1e-9 * pf::mean(shift);
    return pf::unsqueeze(seen, 1);
  }
  pf::BernoulliConditional conditional() const { return {}; }
  Tensor<double> complete(const Tensor<double>& x, const Tensor<double>& known, const Tensor<Index>& labels,
                          pf::Rng& rng, const pf::DrawOptions& options = {}) const {
    return draw(x, known, cheat == Cheat::complete ? pf::flip(labels, 0) : labels, rng, options);
  }
  Tensor<double> sample(const Tensor<Index>& labels, pf::Rng& rng, const pf::DrawOptions& options = {}) const {
    const Tensor<double> nothing = Tensor<double>::zeros({labels.size(), 4});
    return draw(nothing, nothing, cheat == Cheat::label ? Tensor<Index>::zeros(labels.shape()) : labels, rng, options);
  }

 private:
  Tensor<double> draw(const Tensor<double>& x, const Tensor<double>& known, const Tensor<Index>& labels, pf::Rng& rng,
                      const pf::DrawOptions& options) const {
    const std::vector<Index> order = cheat == Cheat::order ? std::vector<Index>{3, 2, 0, 1} : backwards;
    return pf::full_completion([&](const Tensor<double>& at) { return parameters(at, labels); }, conditional(), x,
                               known, rng, options, order);
  }
  static inline const std::vector<Index> backwards{3, 2, 1, 0};
};

}  // namespace

TEST_CASE("autoregressive functions of numbers pass, in batches of any rank and any order") {
  pf::Rng rng(1);
  const Tensor<double> x = pf::normal<double>({3, 5}, rng);
  CHECK_NOTHROW(check_autoregressive([](const Tensor<double>& at) { return sums(at); }, x, {.whole_past = true}));
  auto two_each = [](const Tensor<double>& at) { return pf::stack({sums(at), pf::sin(sums(at))}, 1); };
  CHECK_NOTHROW(check_autoregressive(two_each, x, {.whole_past = true}));
  auto image = [](const Tensor<double>& at) {  // [n, 1, 2, 3] -> [n, 2, 1, 2, 3]
    const Tensor<double> s = sums(pf::reshape(at, {at.size(0), 6}));
    return pf::reshape(pf::stack({s, pf::exp(s)}, 1), {at.size(0), 2, 1, 2, 3});
  };
  CHECK_NOTHROW(check_autoregressive(image, pf::normal<double>({2, 1, 2, 3}, rng), {.whole_past = true}));
  auto backwards = [](const Tensor<double>& at) { return pf::flip(sums(pf::flip(at, 1)), 1); };
  CHECK_NOTHROW(check_autoregressive(backwards, x, {.order = {4, 3, 2, 1, 0}, .whole_past = true}));
  CHECK_THROWS_AS(check_autoregressive(backwards, x), CheckFailed);
}

TEST_CASE("each kind of look ahead is found, and the pair is named") {
  pf::Rng rng(2);
  const Tensor<double> x = pf::normal<double>({2, 5}, rng);
  auto itself = [](const Tensor<double>& at) { return sums(at, 1); };
  CHECK_THROWS_WITH(check_autoregressive(itself, x), ContainsSubstring("the element itself"));
  auto one_pair = [](const Tensor<double>& at) {  // output 1 sees input 3
    return sums(at) + pf::slice(at, 1, 3, 4) * Tensor<double>{0, 1e-13, 0, 0, 0};
  };
  CHECK_THROWS_WITH(check_autoregressive(one_pair, x), ContainsSubstring("element [1], in place 1") &&
                                                           ContainsSubstring("input [3], in place 3") &&
                                                           ContainsSubstring("in its future"));
  // What no change of a value shows, the gradient does.
  auto hidden = [](const Tensor<double>& at) {
    const Tensor<double> last = pf::slice(at, 1, 4, 5);
    return sums(at) + (last - pf::stop_gradient(last));
  };
  CHECK_THROWS_WITH(check_autoregressive(hidden, x), ContainsSubstring("the gradient at input"));
  CHECK_NOTHROW(check_autoregressive(hidden, x, {.gradients = false}));
  auto centered = [](const Tensor<double>& at) { return sums(at) - pf::mean(pf::slice(at, 0, 1, 2)); };
  CHECK_THROWS_AS(check_autoregressive(centered, x), CheckFailed);
  auto over_batch = [](const Tensor<double>& at) { return sums(at - pf::mean(pf::stop_gradient(at), 0, true)); };
  CHECK_THROWS_WITH(check_autoregressive(over_batch, x, {.gradients = false}), ContainsSubstring("other events"));
}

TEST_CASE("a blind spot is found where the whole past is asked for") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({2, 4}, rng);
  auto only_last = [](const Tensor<double>& at) {
    return pf::concat({0.0 * pf::slice(at, 1, 0, 1), pf::slice(at, 1, 0, 3)}, 1);
  };
  CHECK_NOTHROW(check_autoregressive(only_last, x));
  CHECK_THROWS_WITH(check_autoregressive(only_last, x, {.whole_past = true}), ContainsSubstring("a blind spot"));
}

TEST_CASE("logits of tokens may see tokens up to their position, and no further") {
  pf::Rng rng(4);
  const Tensor<Index> tokens({2, 4}, {0, 2, 1, 1, 2, 0, 0, 1});
  for (const Index ahead : {-1, 0})
    CHECK_NOTHROW(check_autoregressive([&](const Tensor<Index>& t) { return token_sums(t, ahead); }, tokens));
  CHECK_NOTHROW(
      check_autoregressive([](const Tensor<Index>& t) { return token_sums(t, 0); }, tokens, {.whole_past = true}));
  CHECK_THROWS_WITH(
      check_autoregressive([](const Tensor<Index>& t) { return token_sums(t, -1); }, tokens, {.whole_past = true}),
      ContainsSubstring("a blind spot"));
  CHECK_THROWS_WITH(check_autoregressive([](const Tensor<Index>& t) { return token_sums(t, 1); }, tokens),
                    ContainsSubstring("element [0]") && ContainsSubstring("input [1]"));
}

TEST_CASE("a model's logits belong to the tokens themselves, and must not see them") {
  const Tensor<Index> tokens({2, 4}, {0, 2, 1, 1, 2, 0, 0, 1});
  struct Model {
    Index ahead;
    Tensor<> logits(const Tensor<Index>& t) const { return token_sums(t, ahead); }
  };
  CHECK_NOTHROW(check_autoregressive(Model{-1}, tokens, {.whole_past = true}));
  CHECK_THROWS_WITH(check_autoregressive(Model{0}, tokens), ContainsSubstring("which is the element itself"));
}

TEST_CASE("models pass with their own orders, and draws that are not those of whole passes are found") {
  pf::Rng rng(5);
  const Tensor<double> x = pf::bernoulli(Tensor<double>::full({6, 4}, 0.5), rng);
  CHECK_NOTHROW(check_autoregressive(Draws{}, x, rng));
  CHECK_NOTHROW(check_autoregressive(Draws{}, x, rng, {.draw = {.temperature = 0.5}}));
  CHECK_THROWS_WITH(check_autoregressive(Draws{.mistake = 1e-15}, x, rng), ContainsSubstring("complete gives"));
  CHECK_THROWS_WITH(check_autoregressive(Draws{.extra_draw = true}, x, rng), ContainsSubstring("random numbers"));
  auto made = pf::made_bernoulli<double>({.features = 4, .hidden = {9}, .order = pf::FeatureOrder::random}, rng);
  support::stir<double>(made, 3, 0.5, rng);
  CHECK_NOTHROW(check_autoregressive(made, x, rng));
  std::vector<Index> wrong;
  for (Index place = 3; place >= 0; --place) wrong.push_back(made.element(place));
  CHECK_THROWS_AS(check_autoregressive(made, x, {.order = wrong}), CheckFailed);
}

TEST_CASE("models of classes are checked for their labels, and those that cheat are caught") {
  pf::Rng rng(7);
  const Tensor<double> x = pf::bernoulli(Tensor<double>::full({12, 4}, 0.5), rng);
  const Tensor<Index> labels{0, 2, 1, 3, 0, 1, 2, 3, 3, 0, 2, 1};
  const AutoregressiveCheckOptions options{.order = {3, 2, 1, 0}, .whole_past = true, .labels = labels};
  CHECK_NOTHROW(check_autoregressive(Labelled{}, x, options));
  CHECK_NOTHROW(check_autoregressive(Labelled{}, x, rng, options));
  CHECK_THROWS_WITH(check_autoregressive(Labelled{Cheat::future}, x, options),
                    ContainsSubstring("element [2], in place 1") && ContainsSubstring("in its future"));
  CHECK_THROWS_WITH(check_autoregressive(Labelled{Cheat::neighbor}, x, options), ContainsSubstring("other events"));
  CHECK_THROWS_WITH(check_autoregressive(Labelled{Cheat::label}, x, rng, options), ContainsSubstring("sample gives"));
  CHECK_THROWS_WITH(check_autoregressive(Labelled{Cheat::complete}, x, rng, options),
                    ContainsSubstring("complete gives"));
  // Draws in another order than the one asked for.
  CHECK_THROWS_WITH(check_autoregressive(Labelled{Cheat::order}, x, rng, options), ContainsSubstring("complete gives"));

  const Tensor<Index> tokens({2, 3}, {0, 2, 1, 1, 2, 0});
  struct Tokens {
    Index ahead;
    Tensor<> logits(const Tensor<Index>& t, const Tensor<Index>& of) const {
      return token_sums(t, -1) + pf::reshape(pf::cast<float>(of), {-1, 1, 1}) * token_sums(t, ahead);
    }
  };
  CHECK_NOTHROW(check_autoregressive(Tokens{-1}, tokens, {.whole_past = true, .labels = {0, 1}}));
  CHECK_THROWS_WITH(check_autoregressive(Tokens{0}, tokens, {.labels = {0, 1}}),
                    ContainsSubstring("which is the element itself"));
  CHECK_NOTHROW(check_autoregressive(Tokens{0}, tokens, {.labels = {0, 0}}));  // only in class 1

  CHECK_THROWS_WITH(check_autoregressive(Labelled{}, x, {.order = {3, 2, 1, 0}}), ContainsSubstring("give it .labels"));
  CHECK_THROWS_AS(check_autoregressive(Labelled{}, x, {.labels = {0, 1}}), pf::ShapeError);
  CHECK_THROWS_WITH(check_autoregressive([](const Tensor<double>& at) { return sums(at); }, x, {.labels = labels}),
                    ContainsSubstring("does not take any"));
  CHECK_THROWS_AS(check_autoregressive(Draws{}, x, rng, {.labels = labels}), pf::ValueError);
}

TEST_CASE("what the check cannot judge is refused") {
  pf::Rng rng(6);
  auto right = [](const Tensor<double>& at) { return sums(at); };
  CHECK_THROWS_AS(check_autoregressive(right, Tensor<double>::zeros({4})), pf::ShapeError);
  CHECK_THROWS_AS(check_autoregressive(right, Tensor<double>::zeros({2, 4})), pf::ValueError);
  const Tensor<double> x = pf::normal<double>({2, 3}, rng);
  CHECK_THROWS_AS(check_autoregressive(right, x, {.order = {0, 1}}), pf::ValueError);
  CHECK_THROWS_AS(check_autoregressive(right, x, {.order = {0, 1, 1}}), pf::ValueError);
  CHECK_THROWS_WITH(check_autoregressive([](const Tensor<double>& at) { return pf::slice(at, 1, 0, 2); }, x),
                    ContainsSubstring("the output has shape"));
  CHECK_THROWS_WITH(check_autoregressive([](const Tensor<double>& at) { return at * std::nan(""); }, x),
                    ContainsSubstring("is NaN"));
}
