// Random numbers: a counter-based generator, and parallel fills that read it by index.
//
// A draw is a pure function of (key, stream, position): no state is shared between threads, so the number of threads
// never changes a bit. Integers, uniforms and everything in double are the same on all instruction sets; float normals,
// exponentials and Gumbels may differ in the last bits between those with and without fused multiply-adds.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/core/error.hpp>
#include <pushforward/core/isa.hpp>
#include <pushforward/core/scalar_math.hpp>
#include <pushforward/core/threads.hpp>

namespace pushforward {

namespace detail {

/// Philox4x32-10: 128 random bits from a 128-bit counter and a 64-bit key (Salmon et al., Parallel random numbers: as
/// easy as 1, 2, 3, SC 2011).
constexpr std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p = std::uint64_t{0xd2511f53u} * c[0], q = std::uint64_t{0xcd9e8d57u} * c[2];
    c = {static_cast<std::uint32_t>(q >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(q),
         static_cast<std::uint32_t>(p >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p)};
    k = {k[0] + 0x9e3779b9u, k[1] + 0xbb67ae85u};
  }
  return c;
}

// The 128 bits of one block as two 64-bit words.
constexpr std::array<std::uint64_t, 2> philox_block(std::uint64_t key, std::uint64_t stream, std::uint64_t position) {
  const auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const auto w = philox({low(position), high(position), low(stream), high(stream)}, {low(key), high(key)});
  return {w[0] | std::uint64_t{w[1]} << 32, w[2] | std::uint64_t{w[3]} << 32};
}

// [0, 1) in steps of 2^-53.
PUSHFORWARD_INLINE double unit_from(std::uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

// Exponential with mean 1, from -log(u) for u < 1/2 and -log1p(-h) for u = 1 - h: both tails keep their resolution,
// and the result is never zero.
inline double exponential_from(std::uint64_t bits) {
  const double h = (static_cast<double>((bits & ~(std::uint64_t{1} << 63)) >> 11) + 0.5) * 0x1p-53;  // (0, 1/2]
  return bits >> 63 ? -std::log(h) : -std::log1p(-h);
}
PUSHFORWARD_INLINE float exponential_from(std::uint32_t bits) {
  namespace m = math::detail;
  const bool lower = (bits >> 31) != 0u;
  const float h = (static_cast<float>(static_cast<std::int32_t>(bits & 0x7fffffffu)) + 0.5f) * 0x1p-32f;
  const float u = m::select(lower, h, 1.0f - h), lost = m::keep_if(!lower, (1.0f - u) - h);
  const std::uint32_t offset = m::to_bits(u) - m::sqrt_half_bits;
  const float n = static_cast<float>(static_cast<std::int32_t>(offset) >> 23);
  const float f = m::from_bits((offset & 0x7fffffu) + m::sqrt_half_bits) - 1.0f;
  return 0.0f - m::log_reduced(f + lost * m::from_bits(0x3f800000u - (offset & 0xff800000u)), n);
}

// Two normals (Box and Muller, 1958).
inline std::pair<double, double> normals_from(std::uint64_t a, std::uint64_t b) {
  const double radius = std::sqrt(2.0 * exponential_from(a)), angle = 6.28318530717958647692 * unit_from(b);
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

}  // namespace detail

/// A stream of random numbers, from the counter-based generator Philox4x32-10 (Salmon et al., SC 2011).
///
/// A copy repeats the draws of its original; `split()` makes streams that are independent.
class Rng {
 public:
  /// Everything there is to know about a generator: save it to resume with the same bits.
  struct State {
    std::uint64_t key = 0, stream = 0, position = 0, splits = 0;
    bool operator==(const State&) const = default;
  };

  explicit Rng(std::uint64_t seed = 0) : state_{seed, 0, 0, 0} {}

  const State& state() const { return state_; }
  static Rng from_state(const State& state) {
    Rng rng;
    rng.state_ = state;
    return rng;
  }

  /// An independent generator; each call gives another one.
  Rng split() {
    const std::uint64_t key = state_.key ^ 0x5851f42d4c957f2dull;  // apart from the draws of this generator
    const auto [child_key, child_stream] = detail::philox_block(key, state_.stream, state_.splits++);
    return from_state({child_key, child_stream, 0, 0});
  }
  /// `n` independent generators.
  std::vector<Rng> split(Index n) {
    std::vector<Rng> children;
    for (Index i = 0; i < n; ++i) children.push_back(split());
    return children;
  }
  /// `N` independent generators: `auto [a, b] = rng.split<2>();`
  template <std::size_t N>
  std::array<Rng, N> split() {
    std::array<Rng, N> children;
    for (Rng& child : children) child = split();
    return children;
  }

  /// Takes `blocks` blocks of 128 bits and returns the position of the first: what position p holds is the pure
  /// function `detail::philox_block(state().key, state().stream, p)`.
  std::uint64_t reserve(std::uint64_t blocks) { return std::exchange(state_.position, state_.position + blocks); }

  /// 32 random bits.
  std::uint32_t next_u32() { return static_cast<std::uint32_t>(block()[0]); }
  /// Uniform in [0, 1), in steps of 2^-53.
  double uniform() { return detail::unit_from(block()[0]); }
  /// Normal with mean 0 and variance 1.
  double normal() {
    const auto [a, b] = block();
    return detail::normals_from(a, b).first;
  }
  /// Uniform among 0, ..., n - 1, unbiased. Throws ValueError unless n > 0.
  Index uniform_index(Index n) {
    if (n <= 0) fail<ValueError>("uniform_index: got n = ", n, ", expected n > 0");
    const auto size = static_cast<std::uint64_t>(n);
    const std::uint64_t excess = (0 - size) % size;  // 2^64 mod n
    std::uint64_t bits;
    do bits = block()[0];
    while (bits < excess);
    return static_cast<Index>(bits % size);
  }

 private:
  std::array<std::uint64_t, 2> block() { return detail::philox_block(state_.key, state_.stream, reserve(1)); }

  State state_;
};

namespace detail {

// Fills work on tiles of consecutive blocks: words[w * tile_blocks + i] is word w of block i.
inline constexpr Index tile_blocks = 16, tile_words = 4 * tile_blocks;

// The words of a tile. Lanes of 64 bits, of which the low halves count: vector units multiply 32 bits to 64 in such
// lanes.
struct PhiloxLoop {
  PUSHFORWARD_INLINE void operator()(std::uint64_t key, std::uint64_t stream, std::uint64_t first,
                                     std::uint32_t* __restrict words) const {
    constexpr std::uint64_t low = 0xffffffffu;
    for (std::uint64_t i = 0; i < std::uint64_t{tile_blocks}; ++i) {
      std::uint64_t c0 = (first + i) & low, c1 = (first + i) >> 32, c2 = stream & low, c3 = stream >> 32;
      std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
      for (int round = 0; round < 10; ++round) {
        const std::uint64_t p = 0xd2511f53u * (c0 & low), q = 0xcd9e8d57u * (c2 & low);
        c0 = (q >> 32) ^ c1 ^ k0;
        c2 = (p >> 32) ^ c3 ^ k1;
        c1 = q;
        c3 = p;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
      }
      words[i] = static_cast<std::uint32_t>(c0);
      words[i + tile_blocks] = static_cast<std::uint32_t>(c1);
      words[i + 2 * tile_blocks] = static_cast<std::uint32_t>(c2);
      words[i + 3 * tile_blocks] = static_cast<std::uint32_t>(c3);
    }
  }
};

#if PUSHFORWARD_X86 && !defined(__clang__)
// The same in vectors: GCC does not find AVX2's widening multiply in the loop above, which makes it 3 times slower.
struct PhiloxAvx2 {
  PUSHFORWARD_TARGET_AVX2 void operator()(std::uint64_t key, std::uint64_t stream, std::uint64_t first,
                                          std::uint32_t* words) const {
    using Lanes = std::uint64_t __attribute__((vector_size(32)));
    using Halves = int __attribute__((vector_size(32)));
    using Narrow = std::uint32_t __attribute__((vector_size(16)));
    constexpr std::uint64_t low = 0xffffffffu;
    for (std::uint64_t i = 0; i < std::uint64_t{tile_blocks}; i += 4) {
      const Lanes counter = Lanes{0, 1, 2, 3} + (first + i);
      Lanes c0 = counter & low, c1 = counter >> 32, c2 = Lanes{} + (stream & low), c3 = Lanes{} + (stream >> 32);
      std::uint32_t k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
      for (int round = 0; round < 10; ++round) {
        const Lanes p = (Lanes)__builtin_ia32_pmuludq256((Halves)c0, (Halves)(Lanes{} + 0xd2511f53u));
        const Lanes q = (Lanes)__builtin_ia32_pmuludq256((Halves)c2, (Halves)(Lanes{} + 0xcd9e8d57u));
        c0 = (q >> 32) ^ c1 ^ k0;
        c2 = (p >> 32) ^ c3 ^ k1;
        c1 = q;
        c3 = p;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
      }
      const Narrow out[4] = {__builtin_convertvector(c0, Narrow), __builtin_convertvector(c1, Narrow),
                             __builtin_convertvector(c2, Narrow), __builtin_convertvector(c3, Narrow)};
      for (int w = 0; w < 4; ++w) std::memcpy(words + static_cast<Index>(i) + w * tile_blocks, &out[w], sizeof(Narrow));
    }
  }
};
#else
using PhiloxAvx2 = PhiloxLoop;
#endif

// What a tile of words becomes. `Value` says how many values a tile holds: one a word, or one every two in double.
struct ToBits {
  using Value = std::uint32_t;
  PUSHFORWARD_INLINE void operator()(const std::uint32_t* words, std::uint32_t* out) const {
    for (Index i = 0; i < tile_words; ++i) out[i] = words[i];
  }
};

template <class S>
struct ToUniform {
  using Value = S;
  double low, scale;
  S last;  // the largest value below high
  PUSHFORWARD_INLINE void operator()(const std::uint32_t* words, S* out) const {
    if constexpr (std::is_same_v<S, float>) {
      // A product of two 24-bit numbers is exact in double: fused or not, the sum is the same.
      for (Index i = 0; i < tile_words; ++i) {
        const double u = static_cast<double>(static_cast<std::int32_t>(words[i] >> 8)) * 0x1p-24;
        out[i] = math::detail::at_most(last, static_cast<float>(low + scale * u));
      }
    } else {
      for (Index i = 0; i < tile_words / 2; ++i) {
        const double value = low + scale * unit_from(words[i] | std::uint64_t{words[i + tile_words / 2]} << 32);
        out[i] = value < last ? value : last;
      }
    }
  }
};

// (0, 1) in steps of 2^-31, or 2^-53 in double.
template <class S>
struct ToOpenUnit {
  using Value = S;
  PUSHFORWARD_INLINE void operator()(const std::uint32_t* words, S* out) const {
    if constexpr (std::is_same_v<S, float>) {
      for (Index i = 0; i < tile_words; ++i) {
        const float u = (static_cast<float>(static_cast<std::int32_t>(words[i] >> 1)) + 0.5f) * 0x1p-31f;
        out[i] = math::detail::at_most(0x1.fffffep-1f, u);
      }
    } else {
      for (Index i = 0; i < tile_words / 2; ++i)
        out[i] = unit_from(words[i] | std::uint64_t{words[i + tile_words / 2]} << 32) + 0x1p-54;
    }
  }
};

template <class S>
struct ToNormal {
  using Value = S;
  PUSHFORWARD_INLINE void operator()(const std::uint32_t* words, S* out) const {
    if constexpr (std::is_same_v<S, float>) {
      for (Index i = 0; i < tile_words / 2; ++i) {
        const float radius = math::sqrt(2.0f * exponential_from(words[i]));
        const std::uint32_t turn = words[i + tile_words / 2], quadrant = turn >> 30;
        const auto centered = static_cast<std::int32_t>(turn & 0x3fffffffu) - 0x20000000;
        const float angle = (static_cast<float>(centered) + 0.5f) * (1.57079633f * 0x1p-30f);
        out[i] = radius * math::detail::sin_reduced(angle, quadrant + 1u);
        out[i + tile_words / 2] = radius * math::detail::sin_reduced(angle, quadrant);
      }
    } else {
      for (Index i = 0; i < tile_blocks; ++i) {
        const std::uint64_t a = words[i] | std::uint64_t{words[i + tile_blocks]} << 32;
        const std::uint64_t b = words[i + 2 * tile_blocks] | std::uint64_t{words[i + 3 * tile_blocks]} << 32;
        std::tie(out[i], out[i + tile_blocks]) = normals_from(a, b);
      }
    }
  }
};

template <class S>
struct ToExponential {
  using Value = S;
  PUSHFORWARD_INLINE void operator()(const std::uint32_t* words, S* out) const {
    if constexpr (std::is_same_v<S, float>) {
      for (Index i = 0; i < tile_words; ++i) out[i] = exponential_from(words[i]);
    } else {
      for (Index i = 0; i < tile_words / 2; ++i)
        out[i] = exponential_from(words[i] | std::uint64_t{words[i + tile_words / 2]} << 32);
    }
  }
};

template <class S>
struct ToGumbel {
  using Value = S;
  PUSHFORWARD_INLINE void operator()(const std::uint32_t* words, S* out) const {
    ToExponential<S>{}(words, out);
    const Index n = std::is_same_v<S, float> ? tile_words : tile_words / 2;
    for (Index i = 0; i < n; ++i) out[i] = -math::log(out[i]);
  }
};

// Where a fill reads: the tile t holds the blocks from first + t * tile_blocks on.
struct Tiles {
  std::uint64_t key, stream, first;
};

template <class To>
inline constexpr Index tile_values = std::is_same_v<typename To::Value, double> ? tile_words / 2 : tile_words;

// Values of the tiles [begin, end), of which out[0, n) is wanted.
template <class Philox, class To>
PUSHFORWARD_INLINE void fill_tiles(const Philox& philox, const To& to, Tiles tiles, Index begin, Index end, Index n,
                                   typename To::Value* out) {
  alignas(64) std::uint32_t words[tile_words];
  alignas(64) typename To::Value values[tile_values<To>];
  for (Index tile = begin; tile < end; ++tile) {
    philox(tiles.key, tiles.stream, tiles.first + static_cast<std::uint64_t>(tile * tile_blocks), words);
    const Index offset = tile * tile_values<To>;
    if (n - offset >= tile_values<To>) {
      to(words, out + offset);
    } else {
      to(words, values);
      for (Index i = 0; i < n - offset; ++i) out[offset + i] = values[i];
    }
  }
}

template <class To>
void fill_tiles_baseline(const To& to, Tiles tiles, Index begin, Index end, Index n, typename To::Value* out) {
  fill_tiles(PhiloxLoop{}, to, tiles, begin, end, n, out);
}
#if PUSHFORWARD_X86
template <class To>
PUSHFORWARD_TARGET_AVX2 void fill_tiles_avx2(const To& to, Tiles tiles, Index begin, Index end, Index n,
                                             typename To::Value* out) {
  fill_tiles(PhiloxAvx2{}, to, tiles, begin, end, n, out);
}
template <class To>
PUSHFORWARD_TARGET_AVX512 void fill_tiles_avx512(const To& to, Tiles tiles, Index begin, Index end, Index n,
                                                 typename To::Value* out) {
  fill_tiles(PhiloxLoop{}, to, tiles, begin, end, n, out);
}
#endif

// out[i] = value i of the tiles that `rng` gives next. Double stays on the baseline: the same bits everywhere.
template <class To>
void fill(const To& to, typename To::Value* out, Index n, Rng& rng) {
  if (n <= 0) return;
  const Index count = (n + tile_values<To> - 1) / tile_values<To>, grain = 32768 / tile_values<To>;
  const Tiles tiles{rng.state().key, rng.state().stream, rng.reserve(static_cast<std::uint64_t>(count * tile_blocks))};
  parallel_for(count, grain, [&](Index begin, Index end) {
#if PUSHFORWARD_X86
    if constexpr (!std::is_same_v<typename To::Value, double>) {
      if (isa() == Isa::avx512) return fill_tiles_avx512(to, tiles, begin, end, n, out);
      if (isa() == Isa::avx2) return fill_tiles_avx2(to, tiles, begin, end, n, out);
    }
#endif
    fill_tiles_baseline(to, tiles, begin, end, n, out);
  });
}

/// 32 random bits in each of out[0, n).
inline void fill_bits(std::uint32_t* out, Index n, Rng& rng) { fill(ToBits{}, out, n, rng); }

/// Uniform in [low, high), in steps of (high - low) 2^-24 (float) or 2^-53 (double). Throws ValueError unless
/// low <= high and both are finite.
template <class S>
void fill_uniform(S* out, Index n, S low, S high, Rng& rng) {
  if (!(low <= high) || !std::isfinite(high - low))
    fail<ValueError>("uniform: got [", low, ", ", high, "), expected finite low <= high");
  fill(ToUniform<S>{low, high - low, std::nextafter(high, low)}, out, n, rng);
}

/// Normal with mean 0 and variance 1 (Box and Muller, 1958); a float's magnitude is at most 6.77, a double's 8.65.
template <class S>
void fill_normal(S* out, Index n, Rng& rng) {
  fill(ToNormal<S>{}, out, n, rng);
}

/// Exponential with mean 1, never zero.
template <class S>
void fill_exponential(S* out, Index n, Rng& rng) {
  fill(ToExponential<S>{}, out, n, rng);
}

/// Standard Gumbel, -log of an exponential.
template <class S>
void fill_gumbel(S* out, Index n, Rng& rng) {
  fill(ToGumbel<S>{}, out, n, rng);
}

/// out[i] = 1 with probability p[i], else 0; p beyond [0, 1] counts as the nearer end. Probabilities count in steps of
/// 2^-31 (float) or 2^-53 (double).
template <class S>
void fill_bernoulli(S* out, const S* p, Index n, Rng& rng) {
  fill(ToOpenUnit<S>{}, out, n, rng);
  parallel_for(n, 32768, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) out[i] = static_cast<S>(out[i] < p[i]);
  });
}

// A draw from Gamma(alpha, 1) is `value` e^`log_factor`: the factor of a small alpha may be too small for a double.
struct GammaDraw {
  double value, log_factor;
};

// Element `index` reads its own blocks, one stream per attempt (Marsaglia and Tsang, A simple method for generating
// gamma variables, 2000; for alpha < 1 their section 6, Gamma(alpha) = Gamma(alpha + 1) U^(1 / alpha)).
inline GammaDraw draw_gamma(double alpha, const Rng::State& state, Index index) {
  const double d = (alpha < 1.0 ? alpha + 1.0 : alpha) - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  const std::uint64_t position = 2 * static_cast<std::uint64_t>(index);
  for (std::uint64_t stream = state.stream;; ++stream) {
    const auto [a, b] = philox_block(state.key, stream, position);
    const double x = normals_from(a, b).first, root = 1.0 + c * x, v = root * root * root;
    if (root <= 0.0) continue;
    const auto [accept, boost] = philox_block(state.key, stream, position + 1);
    if (-exponential_from(accept) >= 0.5 * x * x + d * (1.0 - v + std::log(v))) continue;
    return {d * v, alpha < 1.0 ? -exponential_from(boost) / alpha : 0.0};
  }
}

// out[i] = finish(draw from Gamma(alpha[i], 1)).
template <class S, class Finish>
void fill_gamma_with(const Finish& finish, S* out, const S* alpha, Index n, Rng& rng) {
  for (Index i = 0; i < n; ++i) {
    if (!(alpha[i] > S{0}) || !std::isfinite(alpha[i]))
      fail<ValueError>("gamma: got alpha = ", alpha[i], " at position ", i, ", expected finite alpha > 0");
  }
  const Rng::State state = rng.split().state();
  parallel_for(n, 512, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i)
      out[i] = static_cast<S>(finish(draw_gamma(static_cast<double>(alpha[i]), state, i)));
  });
}

/// out[i] from Gamma(alpha[i], 1), at least the smallest normal number. Throws ValueError unless all alpha are finite
/// and positive.
template <class S>
void fill_gamma(S* out, const S* alpha, Index n, Rng& rng) {
  constexpr double least = std::numeric_limits<S>::min();
  const auto finish = [](GammaDraw draw) {
    const double value = draw.value * std::exp(draw.log_factor);
    return value < least ? least : value;
  };
  fill_gamma_with(finish, out, alpha, n, rng);
}

/// The logarithm of what fill_gamma draws, finite also where a small alpha makes the draw itself vanish.
template <class S>
void fill_log_gamma(S* out, const S* alpha, Index n, Rng& rng) {
  fill_gamma_with([](GammaDraw draw) { return std::log(draw.value) + draw.log_factor; }, out, alpha, n, rng);
}

/// 0, ..., n - 1 in random order (Fisher and Yates, as Durstenfeld, 1964); no order is more than n^2 / 2^64 more likely
/// than another.
inline void fill_permutation(Index* out, Index n, Rng& rng) {
  constexpr Index chunk = 512;
  std::array<std::uint32_t, 2 * chunk> words;
  for (Index i = 0; i < n; ++i) out[i] = i;
  for (Index done = 0; done < n - 1; ++done) {
    const auto k = static_cast<std::size_t>(2 * (done % chunk));
    if (k == 0) fill_bits(words.data(), std::min<Index>(2 * chunk, 2 * (n - 1 - done)), rng);
    const std::uint64_t bits = words[k] | std::uint64_t{words[k + 1]} << 32;
    std::swap(out[n - 1 - done], out[bits % static_cast<std::uint64_t>(n - done)]);
  }
}

}  // namespace detail

}  // namespace pushforward
