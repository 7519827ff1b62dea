// check_module(): what every layer and model must do.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <pushforward/autodiff/functional.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/ops/random.hpp>
#include <pushforward/testing/check_failed.hpp>

namespace pushforward::testing {

/// What `check_module` lets pass.
struct ModuleCheckOptions {
  bool allow_unused = false;  ///< parameters that the result does not depend on
};

namespace detail {

// The paths of all parameters and buffers, which name them in a file.
template <class M>
void check_names(const M& model) {
  struct Names final : Visitor {
    std::set<std::string> seen;
    void add(const Path& path) {
      if (!seen.insert(path.str()).second)
        fail<CheckFailed>("check_module: two members are called '", path.str(), "'; a file could hold only one");
    }
    void parameter(const Path& path, Parameter<float>&) override { add(path); }
    void parameter(const Path& path, Parameter<double>&) override { add(path); }
    void buffer(const Path& path, Buffer<float>&) override { add(path); }
    void buffer(const Path& path, Buffer<double>&) override { add(path); }
    void buffer(const Path& path, Buffer<Index>&) override { add(path); }
  } names;
  walk(const_cast<M&>(model), names);  // names only
}

// Every variable behind `y` is a parameter that `members` names, and every parameter lies behind `y`.
template <class S, class M>
void check_reached(const Tensor<S>& y, const M& model, bool allow_unused) {
  std::set<const void*> used, named;
  for (const auto& leaf : pushforward::detail::leaves_of<S>(y, nullptr)) used.insert(leaf.get());
  for_each_parameter<S>(model, [&](const Path& path, const Parameter<S>& p) {
    const void* node = pushforward::detail::Access::node(p.tensor()).get();
    named.insert(node);
    if (!allow_unused && !used.contains(node))
      fail<CheckFailed>("check_module: parameter '", path.str(),
                        "' has no influence on the result, so it would never train");
  });
  for (const void* node : used)
    if (!named.contains(node))
      fail<CheckFailed>(
          "check_module: the result depends on a parameter or variable that `members` does not name; it would be "
          "neither trained nor saved");
}

template <class S, class M>
void check_parameter_gradients(const Tensor<S>& y, const M& model) {
  Rng rng(20240229);
  const Gradients<S> gradients = gradient(sum(y * normal<S>(y.shape(), rng)), model);
  std::size_t i = 0;
  for_each_parameter<S>(model, [&](const Path& path, const Parameter<S>& p) {
    const Tensor<S>& g = gradients[i++];
    if (!(g.shape() == p.shape()))
      fail<CheckFailed>("check_module: the gradient of '", path.str(), "' has shape ", g.shape(), ", expected ",
                        p.shape());
    for (Index k = 0; k < g.size(); ++k)
      if (!std::isfinite(g.data()[k]))
        fail<CheckFailed>("check_module: the gradient of '", path.str(), "' is ", g.data()[k], " at element ",
                          position(g.shape(), k));
  });
}

}  // namespace detail

/// Checks a model through `call`, which maps it to a tensor: every parameter and buffer has its own name; every
/// parameter influences the result and gets a finite gradient; no parameter is hidden from `members`; and a copy is
/// independent: changing its weights does not change the original. Throws CheckFailed.
///
/// Call it with a call that repeats: give it a copy of its Rng.
template <class M, class F>
requires std::invocable<const F&, const M&>
void check_module(const M& model, const F& call, const ModuleCheckOptions& options = {}) {
  using S = typename std::invoke_result_t<const F&, const M&>::Scalar;
  detail::check_names(model);
  const Tensor<S> y = call(model);
  detail::check_reached(y, model, options.allow_unused);
  if (y.tracked()) detail::check_parameter_gradients(y, model);

  M copy = model;
  for_each_parameter<S>(copy, [](const Path&, Parameter<S>& p) { p = Tensor<S>::full(p.shape(), S(0.125)); });
  const Tensor<S> again = call(model);
  for (Index i = 0; i < y.size(); ++i)
    if (!(y.data()[i] == again.data()[i]))
      fail<CheckFailed>("check_module: after the weights of a copy were changed, the original gives ", again.data()[i],
                        " instead of ", y.data()[i], " at element ", detail::position(y.shape(), i),
                        "; either a copy shares weights, or the result is not repeatable or not finite");
}

/// The same for model(x).
template <class M, class S>
void check_module(const M& model, const Tensor<S>& x, const ModuleCheckOptions& options = {}) {
  const Tensor<S> input = stop_gradient(x);
  check_module(
      model, [&](const M& m) { return Tensor<S>(m(input)); }, options);
}

}  // namespace pushforward::testing
