// How optimizers and moving averages change parameters: all of them in one pass over memory.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/core/kernel.hpp>
#include <pushforward/core/scalar_math.hpp>
#include <pushforward/nn/module.hpp>

namespace pushforward {

namespace detail {

// The name of the parameter at a position of the walk, for error messages.
template <class S, class M>
std::string parameter_name(const M& model, std::size_t position) {
  std::string found = "?";
  std::size_t i = 0;
  for_each_parameter<S>(model, [&](const Path& path, const Parameter<S>&) {
    if (i++ == position) found = path.str();
  });
  return found.empty() ? "parameter" : found;
}

// Subnormal numbers make arithmetic a hundred times slower, and a decaying average never leaves them.
template <class S>
PUSHFORWARD_INLINE S flush_subnormal(S x) {
  return math::detail::select(math::abs(x) >= std::numeric_limits<S>::min(), x, S(0));
}

template <class Rule, class S>
PUSHFORWARD_INLINE void update_loop(const Rule& rule, Index n, S* __restrict p, const S* __restrict g, S* __restrict a,
                                    S* __restrict b) {
  for (Index i = 0; i < n; ++i) {
    if constexpr (Rule::slots == 0)
      p[i] = rule(p[i], g[i]);
    else if constexpr (Rule::slots == 1)
      p[i] = rule(p[i], g[i], a[i]);
    else
      p[i] = rule(p[i], g[i], a[i], b[i]);
  }
}

// Whether an infinity or a NaN is among x[0, n): their exponents are the largest there are.
template <class S>
bool any_non_finite(const S* x, Index n) {
  const auto scan = [=] {
    auto largest = math::detail::to_bits(S(0));
    for (Index i = 0; i < n; ++i) {
      const auto bits = math::detail::to_bits(x[i]) << 1;
      largest = largest < bits ? bits : largest;
    }
    return largest >= math::detail::to_bits(std::numeric_limits<S>::infinity()) << 1;
  };
  if constexpr (sizeof(S) == 8)
    return scan();
  else
    return vectorized(scan);
}

// Parameters and one tensor of equal shape for each (its gradient, say), laid out one after the other.
template <class S>
class Sweep {
 public:
  // Positions begin on cache lines; passes are cut at multiples of `tile`, so that results do not depend on threads.
  static constexpr Index alignment = 16, tile = 4096, grain = 65536;

  std::string operation;
  std::function<std::string(std::size_t)> name;  // of a parameter

  template <class M>
  Sweep(std::string what, M& model)
      : operation(std::move(what)), name([&model](std::size_t i) { return parameter_name<S>(model, i); }) {
    for_each_parameter<S>(model, [&](const Path&, Parameter<S>& p) { add(p); });
  }

  std::size_t count() const { return parameters_.size(); }
  const Shape& shape(std::size_t i) const { return parameters_[i]->shape(); }
  Index length() const { return offsets_.back(); }

  void set_sources(std::vector<const Tensor<S>*> sources) { sources_ = std::move(sources); }

  // The first parameter whose source is not finite, count() if all are.
  std::size_t first_non_finite() const {
    std::atomic<std::size_t> first{count()};
    parallel_for(length(), grain, [&](Index begin, Index end) {
      for_each_piece(begin, end, [&](std::size_t i, Index from, Index n) {
        if (!any_non_finite(sources_[i]->data() + from, n)) return;
        std::size_t seen = first.load();
        while (i < seen && !first.compare_exchange_weak(seen, i)) {
        }
      });
    });
    return first.load();
  }

  // p = rule(p, source, slots...) for every number, where the slots are laid out as the parameters are. Graphs that
  // hold the old numbers keep them, and a parameter stays the same variable.
  template <class Rule>
  void run(const Rule& rule, S* first_slot = nullptr, S* second_slot = nullptr) {
    make_room();
    parallel_for(length(), grain, [&](Index begin, Index end) {
      for_each_piece(begin, end, [&](std::size_t i, Index from, Index n) {
        S* out = Access::data(fresh_[i]) + from;
        if (fresh_[i].data() != parameters_[i]->data()) std::copy_n(parameters_[i]->data() + from, n, out);
        const Index at = offsets_[i] + from;
        update_piece(rule, n, out, sources_[i]->data() + from, first_slot ? first_slot + at : nullptr,
                     second_slot ? second_slot + at : nullptr);
      });
    });
    for (std::size_t i = 0; i < count(); ++i)
      *parameters_[i] = Access::with_node(std::move(fresh_[i]), Access::node(*parameters_[i]));
    fresh_.clear();
  }

 private:
  void add(Tensor<S>& parameter) {
    parameters_.push_back(&parameter);
    offsets_.push_back(offsets_.back() + (parameter.size() + alignment - 1) / alignment * alignment);
  }

  // New storage for each parameter, or its own where nobody else sees it.
  void make_room() {
    fresh_.reserve(count());
    for (Tensor<S>* p : parameters_) {
      Ref<Node<S>> node = Access::node(*p);
      Tensor<S> value = Access::with_node(std::move(*p), {});
      const bool own = Access::unique(value);
      *p = Access::with_node(std::move(value), std::move(node));
      fresh_.push_back(own ? Access::with_node(*p, {}) : Access::allocate<S>(p->shape()));
    }
  }

  // Calls piece(parameter, from, n) for what lies in [begin, end).
  template <class Piece>
  void for_each_piece(Index begin, Index end, const Piece& piece) const {
    auto i = static_cast<std::size_t>(std::upper_bound(offsets_.begin(), offsets_.end(), begin) - offsets_.begin() - 1);
    for (Index at = begin; at < end;) {
      const Index from = at - offsets_[i], stop = std::min({end, offsets_[i + 1], (at / tile + 1) * tile});
      const Index n = std::min(stop - at, parameters_[i]->size() - from);
      if (n > 0) piece(i, from, n);
      at = stop;
      if (at == offsets_[i + 1]) ++i;
    }
  }

  template <class Rule>
  static void update_piece(const Rule& rule, Index n, S* p, const S* g, S* a, S* b) {
    if constexpr (sizeof(S) == 8)
      update_loop(rule, n, p, g, a, b);
    else
      vectorized([=] { update_loop(rule, n, p, g, a, b); });
  }

  std::vector<Tensor<S>*> parameters_;
  std::vector<const Tensor<S>*> sources_;
  std::vector<Tensor<S>> fresh_;
  std::vector<Index> offsets_{0};
};

}  // namespace detail

}  // namespace pushforward
