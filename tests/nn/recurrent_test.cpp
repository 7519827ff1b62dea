#include <cmath>

#include "pushforward/nn/linear.hpp"
#include "pushforward/nn/recurrent.hpp"
#include "pushforward/nn/sequential.hpp"
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

double apart(const Tensor<double>& a, const Tensor<double>& b) {
  REQUIRE(a.shape() == b.shape());
  return a.empty() ? 0.0 : pf::abs(a - b).max();
}

template <class S>
bool equal_bits(const Tensor<S>& a, const Tensor<S>& b) {
  return a.shape() == b.shape() && std::equal(a.begin(), a.end(), b.begin());
}

// Numbers that another program can compute: a sine of their place.
Tensor<double> sines(const Shape& shape, double phase, double size) {
  return Tensor<double>::generate(shape, [=](Index i) {
    return size * std::sin(1.7 * static_cast<double>(i) * static_cast<double>(i + 1) + phase);
  });
}

template <class Layer>
void set_sines(Layer& layer) {
  double phase = 0;
  pf::for_each_parameter<double>(
      layer, [&](const pf::Path&, pf::Parameter<double>& p) { p = sines(p.shape(), phase += 0.1, 0.8); });
}

}  // namespace

TEST_CASE("GRU and LSTM give PyTorch's numbers for PyTorch's weights") {
  Rng rng(61);
  const auto x = sines({2, 3, 3}, 1, 1), hidden = sines({2, 2}, 2, 1), cell = sines({2, 2}, 3, 1);
  pf::GRU<double> gru(3, 2, rng);  // torch.nn.GRU(3, 2, batch_first=True)
  set_sines(gru);
  const auto [y, state] = gru.run(x, hidden);
  CHECK(apart(y, Tensor<double>({2, 3, 2}, {0.507705839355622, -0.718380397238059, -0.354566276708385,
                                            -0.472568758233337, 0.597397895165676, -0.0720917876366343,
                                            0.155269353468537, -0.231749596097135, 0.640869332568777,
                                            -0.090508477718199, 0.166505328408265, -0.0497006631640804})) < 1e-13);
  CHECK(equal_bits(state, pf::select(y, 1, 2)));
  pf::LSTM<double> lstm(3, 2, rng);  // torch.nn.LSTM(3, 2, batch_first=True)
  set_sines(lstm);
  const auto [output, last] = lstm.run(x, {hidden, cell});
  CHECK(apart(output, Tensor<double>({2, 3, 2}, {0.316173432969872, 0.139309027430178, -0.0125072880988421,
                                                 0.294884435378179, 0.38138847945734, 0.322002378869066,
                                                 0.15315971454363, -0.502750657796303, 0.27774663058794,
                                                 -0.202133389639763, 0.100911739970176, -0.0425868809284942})) < 1e-13);
  CHECK(apart(last.cell, Tensor<double>({2, 2}, {0.602239096072376, 0.530042141739974, 0.121884061624352,
                                                 -0.0508687062896})) < 1e-13);
  CHECK(equal_bits(last.hidden, pf::select(output, 1, 2)));
}

TEST_CASE("GRU and LSTM have right gradients to order 2, in inputs, weights and the first state") {
  Rng rng(62);
  const auto x = pf::normal<double>({2, 3, 2}, rng), hidden = pf::normal<double>({2, 2}, rng),
             cell = pf::normal<double>({2, 2}, rng);
  const pf::GRU<double> gru(2, 2, rng);
  const pf::LSTM<double> lstm(2, 2, rng);
  CHECK_NOTHROW(check_gradients([&](auto v, auto h) { return gru.run(v, h).output; }, {x, hidden}, {.order = 2}));
  CHECK_NOTHROW(check_gradients(
      [&](auto v, auto h, auto c) {
        const auto [y, state] = lstm.run(v, {h, c});
        return pf::sum(y * y) + pf::sum(state.cell * state.hidden);
      },
      {x, hidden, cell}, {.order = 2}));
  const auto in_weights = [&](auto op, const auto& layer, const Tensor<double>& start) {
    check_gradients(
        [&](auto w_in, auto w, auto b) { return op(pf::linear(x, w_in, layer.bias_ih.tensor()), w, b, start); },
        {layer.weight_ih.tensor(), layer.weight_hh.tensor(), layer.bias_hh.tensor()}, {.order = 2});
  };
  CHECK_NOTHROW(
      in_weights([](auto... in) { return pf::detail::recurrent<pf::detail::GruCell, double>(in...); }, gru, hidden));
  CHECK_NOTHROW(in_weights([](auto... in) { return pf::detail::recurrent<pf::detail::LstmCell, double>(in...); }, lstm,
                           pf::concat({hidden, cell}, 1)));
  CHECK_NOTHROW(check_module(gru, x));
  CHECK_NOTHROW(check_module(lstm, x));
}

TEST_CASE("the fused gradients of recurrent layers are those of plain operations") {
  Rng rng(63);
  const auto agree = [&](const auto& layer) {
    const auto x = pf::variable(pf::normal<double>({5, 7, 4}, rng)), c = pf::normal<double>({5, 7, 19}, rng);
    const auto loss = pf::sum(c * layer(x));
    const auto fused = pf::gradient(loss, layer), plain = pf::gradient(loss, layer, {.create_graph = true});
    for (std::size_t i = 0; i < fused.size(); ++i) CHECK(apart(fused[i], plain[i]) < 1e-12);
    CHECK(apart(pf::gradient(loss, x), pf::gradient(loss, x, {.create_graph = true})) < 1e-12);
  };
  agree(pf::GRU<double>(4, 19, rng));
  agree(pf::LSTM<double>(4, 19, rng));
}

TEST_CASE("recurrent layers see nothing of the future") {
  Rng rng(64);
  const pf::LSTM<double> lstm(2, 3, rng);
  const auto size = pf::sum(pf::abs(pf::jacobian(lstm, pf::normal<double>({1, 4, 2}, rng))), {0, 2, 3, 5});
  for (Index t = 0; t < 4; ++t)
    for (Index s = 0; s < 4; ++s) CHECK((size(t, s) != 0) == (s <= t));
}

TEST_CASE("single steps give the bits of the whole sequence") {
  Rng rng(65);
  for (const Index n : {Index{1}, Index{3}, Index{9}}) {
    const pf::GRU<> gru(5, 19, rng);
    const pf::LSTM<> lstm(5, 19, rng);
    const Tensor<> x = pf::normal({n, 6, 5}, rng), all = gru(x), outputs = lstm(x);
    Tensor<> state = Tensor<>::zeros({n, 19});
    pf::LSTMState<> memory{state, state};
    for (Index t = 0; t < 6; ++t) {
      state = gru.step(pf::select(x, 1, t), state);
      CHECK(equal_bits(state, pf::select(all, 1, t)));
      memory = lstm.step(pf::select(x, 1, t), memory);
      CHECK(equal_bits(memory.hidden, pf::select(outputs, 1, t)));
    }
  }
}

TEST_CASE("recurrent layers stand in Sequential, and give the same bits for any number of threads") {
  Rng rng(66);
  const pf::Sequential net(pf::GRU<>(3, 33, rng), pf::LSTM<>(33, 8, rng), pf::Linear<>(8, 1, rng));
  const Tensor<> x = pf::normal({300, 5, 3}, rng);
  const auto run = [&](int threads) {
    const int before = pf::num_threads();
    pf::set_num_threads(threads);
    const auto g = pf::gradient(pf::mean(pf::square(net(x))), net);
    pf::set_num_threads(before);
    return g;
  };
  const auto one = run(1), four = run(4);
  REQUIRE(one.size() == 10);
  for (std::size_t i = 0; i < one.size(); ++i) CHECK(equal_bits(one[i], four[i]));
}

TEST_CASE("recurrent layers say what is wrong with their arguments") {
  Rng rng(67);
  const pf::GRU<> gru(3, 2, rng);
  const Tensor<> x = pf::normal({2, 4, 3}, rng);
  CHECK_THROWS_WITH(gru(pf::normal({2, 4, 5}, rng)), ContainsSubstring("expected [n, t, 3]"));
  CHECK_THROWS_AS(gru(pf::normal({2, 0, 3}, rng)), pf::ShapeError);
  CHECK_THROWS_WITH(gru.run(x, pf::normal({2, 3}, rng)), ContainsSubstring("expected [2, 2]"));
  CHECK_THROWS_WITH(gru.step(x, pf::normal({2, 2}, rng)), ContainsSubstring("expected [n, 3]"));
  CHECK_THROWS_AS(pf::LSTM<>(3, 0, rng), pf::ShapeError);
  // Of a state of two parts each has its own width.
  const pf::LSTM<> lstm(3, 2, rng);
  const auto state = [&](Index hidden, Index cell) {
    return pf::LSTMState<>{pf::normal({2, hidden}, rng), pf::normal({2, cell}, rng)};
  };
  CHECK(lstm.step(select(x, 1, 0), state(2, 2)).cell.shape() == pf::Shape{2, 2});
  for (const auto& [hidden, cell] : {std::pair{3, 1}, std::pair{1, 3}, std::pair{4, 0}}) {
    CHECK_THROWS_WITH(lstm.run(x, state(hidden, cell)), ContainsSubstring("expected [2, 2] each"));
    CHECK_THROWS_AS(lstm.step(select(x, 1, 0), state(hidden, cell)), pf::ShapeError);
  }
  CHECK_THROWS_AS(lstm.run(x, pf::LSTMState<>{}), pf::ShapeError);
}
