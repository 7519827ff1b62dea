#include <pushforward/autodiff/tensor.hpp>

#include <cmath>
#include <limits>

#include <Eigen/Dense>

#include "support/reference.hpp"

namespace pf = pushforward;
using pf::Tensor;
using support::expect_equal;
using support::Index;
using support::message_of;
using support::Shape;

TEST_CASE("tensors are made from values, in row-major order") {
  const Tensor<> x({2, 3}, {1, 2, 3, 4, 5, 6});
  CHECK(x.shape() == Shape{2, 3});
  CHECK(x.rank() == 2);
  CHECK(x.size() == 6);
  CHECK(x.size(-1) == 3);
  CHECK(x(1, 0) == 4);
  CHECK(x(-1, -1) == 6);
  CHECK(x.to_vector() == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(Tensor<>{1, 2}.shape() == Shape{2});
  CHECK(Tensor<>().shape() == Shape{0});
  CHECK(Tensor<>().empty());
  CHECK(Tensor<>::scalar(7).item() == 7);
  CHECK(Tensor<>::scalar(7)() == 7);
  CHECK(Tensor<double>({2}, std::vector<double>{1, 2})(1) == 2);
}

TEST_CASE("tensors are made by rule") {
  expect_equal(Tensor<>::zeros({2, 2}), Tensor<>({2, 2}, {0, 0, 0, 0}));
  expect_equal(Tensor<>::ones({2}), Tensor<>{1, 1});
  expect_equal(Tensor<>::full({3}, 2.5f), Tensor<>{2.5f, 2.5f, 2.5f});
  expect_equal(Tensor<>::eye(2), Tensor<>({2, 2}, {1, 0, 0, 1}));
  expect_equal(Tensor<>::arange(0, 3), Tensor<>{0, 1, 2});
  expect_equal(Tensor<>::arange(1, 2.2f, 0.5f), Tensor<>{1, 1.5f, 2});
  expect_equal(Tensor<Index>::arange(5, 0, -2), Tensor<Index>{5, 3, 1});
  CHECK(Tensor<>::arange(3, 0).shape() == Shape{0});
  expect_equal(Tensor<>::linspace(0, 1, 5), Tensor<>{0, 0.25f, 0.5f, 0.75f, 1});
  expect_equal(Tensor<>::linspace(2, 3, 1), Tensor<>{2});
  CHECK(Tensor<>::linspace(0, 0.7f, 101)(100) == 0.7f);
  CHECK(Tensor<>::linspace(2, 3, 0).empty());
  CHECK(Tensor<>::eye(0).shape() == Shape{0, 0});
  expect_equal(Tensor<>::generate({2, 2}, [](Index i) { return static_cast<float>(i * i); }),
               Tensor<>({2, 2}, {0, 1, 4, 9}));
}

TEST_CASE("Eigen's expressions come in, and Eigen sees tensors without a copy") {
  Eigen::MatrixXf m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  const Tensor<> x(m);  // column-major becomes row-major
  expect_equal(x, Tensor<>({2, 3}, {1, 2, 3, 4, 5, 6}));
  expect_equal(Tensor<>(m.transpose() * 2), Tensor<>({3, 2}, {2, 8, 4, 10, 6, 12}));
  expect_equal(Tensor<double>(m.array() + 1), Tensor<double>({2, 3}, {2, 3, 4, 5, 6, 7}));
  CHECK(Tensor<>(Eigen::Vector3f(1, 2, 3)).shape() == Shape{3});
  CHECK(Tensor<>(Eigen::RowVectorXf::Zero(4)).shape() == Shape{4});
  CHECK(Tensor<>(Eigen::MatrixXf(0, 3)).shape() == Shape{0, 3});
  CHECK(x.matrix().data() == x.data());
  CHECK(x.matrix()(1, 2) == 6);
  CHECK(x.array().sum() == 21);
  const Tensor<> stack = Tensor<>::zeros({2, 3, 4}), row = Tensor<>::zeros({5});
  CHECK((stack.matrix().rows() == 6 && stack.matrix().cols() == 4));
  CHECK((row.matrix().rows() == 5 && row.matrix().cols() == 1));
  const Tensor<> none = Tensor<>::zeros({3, 0});
  CHECK((none.matrix().rows() == 3 && none.matrix().cols() == 0));
}

TEST_CASE("a copy shares its numbers, and nobody can change them") {
  const Tensor<> x{1, 2, 3};
  const Tensor<> y = x;
  CHECK(y.data() == x.data());
  CHECK(pf::stop_gradient(x).data() == x.data());
  CHECK(pf::variable(x).data() == x.data());
  static_assert(std::is_same_v<decltype(x.data()), const float*>);
}

TEST_CASE("quick looks return plain numbers") {
  const Tensor<> x({2, 2}, {3, -1, 4, 2});
  CHECK(x.sum() == 8);
  CHECK(x.mean() == 2);
  CHECK(x.min() == -1);
  CHECK(x.max() == 4);
  CHECK(std::isnan(Tensor<>().mean()));
  CHECK(message_of<pf::ShapeError>([] { Tensor<>().max(); }) == "max: a tensor of shape [0] has no elements");
}

TEST_CASE("printing shows the shape and leaves out the middle of long axes") {
  CHECK(Tensor<>({2, 2}, {1, 2.5f, 3, 4}).str() == "Tensor[2, 2] [[1, 2.5], [3, 4]]");
  CHECK(Tensor<>::scalar(3).str() == "Tensor[] 3");
  CHECK(Tensor<>().str() == "Tensor[0] []");
  CHECK(Tensor<Index>::arange(0, 8).str() == "Tensor[8] [0, 1, 2, 3, 4, 5, 6, 7]");
  CHECK(Tensor<Index>::arange(0, 100).str() == "Tensor[100] [0, 1, 2, 3, ..., 96, 97, 98, 99]");
}

TEST_CASE("what cannot be made or read is refused in a sentence") {
  const Tensor<> x = Tensor<>::zeros({2, 3});
  CHECK(message_of<pf::ShapeError>([] {
          Tensor<>({2, 2}, {1, 2, 3});
        }) == "Tensor: got 3 values for shape [2, 2], expected 4");
  CHECK(message_of<pf::ShapeError>([&] { x.item(); }) == "item: shape [2, 3] has 6 elements, expected exactly one");
  CHECK(message_of<pf::IndexError>([&] { x(1); }) == "Tensor: got 1 indices for shape [2, 3], expected one per axis");
  CHECK(message_of<pf::IndexError>([&] { x(0, 3); }) == "Tensor: index 3 is out of range on axis 1 of shape [2, 3]");
  CHECK_THROWS_AS(x(-3, 0), pf::IndexError);
  CHECK_THROWS_AS(x.size(2), pf::IndexError);
  CHECK_THROWS_AS(Tensor<>::arange(0, 1, 0), pf::ValueError);
  CHECK_THROWS_AS(Tensor<>::arange(0, std::numeric_limits<float>::infinity()), pf::ValueError);
  CHECK_THROWS_AS(Tensor<>::arange(0, NAN), pf::ValueError);
  CHECK_THROWS_AS(Tensor<>::linspace(0, 1, -1), pf::ShapeError);
  CHECK_THROWS_AS(Tensor<>::eye(-1), pf::ShapeError);
}

TEST_CASE("a size in bytes that overflows is refused, not wrapped around") {
  CHECK_THROWS_AS(Tensor<float>::zeros({Index{1} << 62}), std::bad_alloc);
  CHECK_THROWS_AS(Tensor<double>::zeros({Index{1} << 61, 2}), std::bad_alloc);
  CHECK_THROWS_AS(Tensor<double>::zeros({Index{1} << 50}), std::bad_alloc);
}
