#include <pushforward/nn/shifted_conv.hpp>

#include <pushforward/testing/check_gradients.hpp>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::Index;
using support::Shape;

namespace {

/// Which elements of x the result at (i, j) depends on.
template <class Layer>
Tensor<double> seen(const Layer& layer, const Tensor<double>& x, Index i, Index j) {
  const Tensor<double> v = pf::variable(x);
  return pf::gradient(pf::sum(pf::select(pf::select(layer(v), 2, i), 2, j)), v);
}

/// The result pixel by pixel, or row by row.
template <class S>
Tensor<S> stepped(const pf::ShiftedConv2d<S>& layer, const Tensor<S>& x, bool rows) {
  const Index n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3), stride = layer.options.stride;
  const Index width = (w + stride - 1) / stride, height = (h + stride - 1) / stride;
  pf::ShiftedConvCache<S> cache(layer, n, w);
  std::vector<Tensor<S>> parts;
  for (Index i = 0; i < h; ++i)
    for (Index j = 0; j < (rows ? 1 : w); ++j) {
      const Tensor<S> row = pf::select(x, 2, i);  // [n, c, w]
      const Tensor<S> values = rows ? row : pf::slice(row, 2, j, j + 1);
      const Index columns = values.size(2);
      cache.write({i, j, columns}, pf::reshape(pf::transpose(values), Shape{n * columns, c}));
      if (i % stride != 0 || j % stride != 0) continue;
      const Index out = rows ? width : 1;
      parts.push_back(pf::reshape(cache.read({i / stride, j / stride, out}), Shape{n, out, layer.outputs()}));
    }
  return pf::reshape(pf::transpose(pf::concat(parts, 1)), Shape{n, layer.outputs(), height, width});
}

}  // namespace

TEST_CASE("a shifted convolution is conv2d with padding above and to the left") {
  pf::Rng rng(1);
  const Tensor<double> x = pf::normal<double>({2, 3, 6, 5}, rng);
  const pf::ShiftedConv2d<double> down = pf::ShiftedConv2d<double>::down(3, 4, rng), none;
  const Tensor<double> padded = pf::conv2d(x, down.weight.tensor(), down.bias.tensor(), {.padding = {1, 0, 1, 1}});
  CHECK(pf::abs(down(x) - padded).max() < 1e-13);
  const auto half = pf::ShiftedConv2d<double>::down_right(3, 4, rng, 2);
  CHECK(half(x).shape() == Shape{2, 4, 3, 3});
  CHECK(half(Tensor<double>::ones({1, 3, 1, 1})).shape() == Shape{1, 4, 1, 1});
  CHECK_THROWS_AS(none(x), pf::ValueError);
  CHECK_THROWS_AS(down(Tensor<double>::ones({1, 2, 6, 5})), pf::ShapeError);
  CHECK_THROWS_AS(pf::ShiftedConv2d<>(1, 1, 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::ShiftedConv2d<>(1, 1, 2, rng, {.up = -1}), pf::ValueError);
  for (const auto& [in, out] : {std::pair<Index, Index>{0, 3}, {3, 0}, {-1, 3}, {3, -1}}) {
    CHECK_THROWS_AS(pf::ShiftedConv2d<>(in, out, 2, rng), pf::ValueError);
    CHECK_THROWS_AS(pf::ShiftedConv2d<>::masked(pf::MaskType::b, in, out, rng), pf::ValueError);
  }
  CHECK_THROWS_AS(pf::ShiftedConv2d<>::masked(pf::MaskType::b, 3, 3, rng, {.rows = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::ShiftedConv2d<>::masked(pf::MaskType::b, 3, 4, rng, {.colors = 3}), pf::ShapeError);
  pf::testing::check_gradients([&](const Tensor<double>& at) { return pf::square(half(at)); },
                               pf::normal<double>({1, 3, 3, 3}, rng), {.order = 2});
}

TEST_CASE("shifted convolutions see what lies before") {
  pf::Rng rng(2);
  const Tensor<double> x = pf::normal<double>({1, 2, 5, 6}, rng);
  const Tensor<double> down = seen(pf::ShiftedConv2d<double>::down(2, 3, rng), x, 2, 3);
  const Tensor<double> right = seen(pf::ShiftedConv2d<double>::down_right(2, 3, rng), x, 2, 3);
  const Tensor<double> above = seen(pf::ShiftedConv2d<double>(2, 3, {2, 3}, rng, {.up = 2, .left = 1}), x, 2, 3);
  const Tensor<double> left = seen(pf::ShiftedConv2d<double>(2, 3, {2, 1}, rng, {.up = 1, .left = 1}), x, 2, 3);
  for (Index i = 0; i < 5; ++i)
    for (Index j = 0; j < 6; ++j) {
      CHECK((down(0, 1, i, j) != 0) == ((i == 1 || i == 2) && j >= 2 && j <= 4));
      CHECK((right(0, 1, i, j) != 0) == ((i == 1 || i == 2) && j >= 2 && j <= 3));
      CHECK((above(0, 1, i, j) != 0) == ((i == 0 || i == 1) && j >= 2 && j <= 4));
      CHECK((left(0, 1, i, j) != 0) == ((i == 1 || i == 2) && j == 2));
    }
}

TEST_CASE("a masked shifted convolution is a masked convolution") {
  pf::Rng rng(3);
  const Tensor<double> x = pf::normal<double>({2, 6, 5, 6}, rng);
  for (const auto type : {pf::MaskType::a, pf::MaskType::b}) {
    pf::MaskedConv2d<double> whole(type, 6, 9, {3, 5}, rng, {.colors = 3});
    auto shifted = pf::ShiftedConv2d<double>::masked(type, 6, 9, rng, {.rows = 1, .reach = 2, .colors = 3});
    shifted.weight = pf::slice(whole.weight.tensor(), 2, 0, 2);
    shifted.bias = whole.bias.tensor();
    CHECK(pf::abs(shifted(x) - whole(x)).max() < 1e-12);
    // The mask holds when weights change.
    shifted.weight = pf::slice(whole.weight.tensor() + (1 - whole.mask()) * 7, 2, 0, 2);
    CHECK(pf::abs(shifted(x) - whole(x)).max() < 1e-12);
  }
}

TEMPLATE_TEST_CASE("shifted convolutions give the same bits pixel by pixel and row by row", "", float, double) {
  using S = TestType;
  pf::Rng rng(4);
  const int before = pf::num_threads();
  for (const int threads : {1, 2}) {
    pf::set_num_threads(threads);
    for (const Index in : {1, 40})
      for (const Index out : {1, 3, 33})
        for (const Index n : {1, 3}) {
          const Tensor<S> x = pf::normal<S>({n, in, 5, 9}, rng);
          const auto check = [&](const pf::ShiftedConv2d<S>& layer, bool by_pixel) {
            const std::vector<S> whole = layer(x).to_vector();
            CHECK(stepped(layer, x, true).to_vector() == whole);
            if (by_pixel) CHECK(stepped(layer, x, false).to_vector() == whole);
          };
          check(pf::ShiftedConv2d<S>::down(in, out, rng), false);
          check(pf::ShiftedConv2d<S>::down(in, out, rng, 2), false);
          check(pf::ShiftedConv2d<S>::down_right(in, out, rng), true);
          check(pf::ShiftedConv2d<S>::down_right(in, out, rng, 2), true);
          check(pf::ShiftedConv2d<S>(in, out, {1, 3}, rng, {.up = 1, .left = 1}), true);
          check(pf::ShiftedConv2d<S>(in, out, 1, rng, {.bias = false}), true);
          check(pf::ShiftedConv2d<S>::masked(pf::MaskType::b, in, out, rng, {.rows = 3, .reach = 3}), true);
        }
  }
  pf::set_num_threads(before);
}
