#include "pushforward/testing/check_module.hpp"

#include <memory>

#include "pushforward/nn/linear.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Tensor;
using pf::testing::check_module;

namespace {

struct Two {
  pf::Linear<> first, second;
  const char* second_name = "second";
  bool use_second = true, hide_second = false;

  explicit Two(pf::Rng& rng) : first(3, 4, rng), second(4, 2, rng) {}
  Tensor<> operator()(const Tensor<>& x) const { return use_second ? second(pf::tanh(first(x))) : first(x); }
  static void members(auto& self, auto&& visit) {
    visit("first", self.first);
    if (!self.hide_second) visit(self.second_name, self.second);
  }
};

struct Shallow {
  std::shared_ptr<pf::Linear<>> inner;
  Tensor<> operator()(const Tensor<>& x) const { return (*inner)(x); }
  static void members(auto& self, auto&& visit) { visit("inner", *self.inner); }
};

}  // namespace

TEST_CASE("right modules pass") {
  pf::Rng rng(5);
  const Tensor<> x = pf::normal({7, 3}, rng);
  CHECK_NOTHROW(check_module(Two(rng), x));
  CHECK_NOTHROW(check_module(pf::Mlp({3, 5, 2}, rng), x));
  CHECK_NOTHROW(check_module(pf::Linear<double>(3, 2, rng), pf::normal<double>({7, 3}, rng)));
}

TEST_CASE("each kind of mistake in a module is found") {
  pf::Rng rng(6);
  const Tensor<> x = pf::normal({7, 3}, rng);
  Two model(rng);
  model.second_name = "first";
  CHECK_THROWS_WITH(check_module(model, x), ContainsSubstring("two members are called 'first.weight'"));
  model.second_name = "second";
  model.use_second = false;
  CHECK_THROWS_WITH(check_module(model, x), ContainsSubstring("'second.weight' has no influence"));
  CHECK_NOTHROW(check_module(model, x, {.allow_unused = true}));
  model.use_second = model.hide_second = true;
  CHECK_THROWS_WITH(check_module(model, x), ContainsSubstring("does not name"));
  CHECK_THROWS_WITH(check_module(Shallow{std::make_shared<pf::Linear<>>(3, 2, rng)}, x),
                    ContainsSubstring("a copy shares weights"));
  model.hide_second = false;
  model.first.weight = Tensor<>::full({4, 3}, std::numeric_limits<float>::quiet_NaN());
  CHECK_THROWS_WITH(check_module(model, x), ContainsSubstring("gradient of 'first.weight' is"));
}
