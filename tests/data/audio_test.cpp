#include <numbers>

#include <pushforward/data/audio.hpp>
#include <pushforward/data/spectrum.hpp>
#include <pushforward/ops/arithmetic.hpp>
#include <pushforward/ops/math.hpp>
#include <pushforward/ops/shape_ops.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Approx;
using pf::Index;
using pf::Tensor;
using pf::data::SoundKind;

namespace {

Tensor<double> sine(Index t, double rate, double hertz, double amplitude) {
  return Tensor<double>::generate({t}, [=](Index i) {
    return amplitude * std::sin(2 * std::numbers::pi * hertz * static_cast<double>(i) / rate + 0.3);
  });
}

template <class S>
void expect_levels_come_back(Index levels) {
  const Tensor<S> all = Tensor<S>::generate({levels}, [](Index i) { return static_cast<S>(i); });
  const Tensor<S> sound = pf::data::mu_law_decode(all, levels);
  CHECK(pf::data::mu_law_encode(sound, levels).to_vector() == all.to_vector());
  for (Index i = 1; i < levels; ++i) REQUIRE(sound(i) > sound(i - 1));
  CHECK(sound(Index{0}) == Approx(-1));
  CHECK(sound(levels - 1) == Approx(1));
  CHECK(sound(levels - 1) <= S(1));
  for (Index i = 0; i < levels; ++i) REQUIRE(sound(i) == Approx(-sound(levels - 1 - i)).margin(1e-12));
}

}  // namespace

TEST_CASE("mu-law levels come back from the sound that they stand for, in float and double") {
  for (const Index levels : {2, 3, 16, 255, 256, 65536}) {
    expect_levels_come_back<double>(levels);
    expect_levels_come_back<float>(levels);
  }
}

TEST_CASE("mu-law levels are those of the formula, and lose at most half a step") {
  const auto level = [](double x) { return pf::data::mu_law_encode(Tensor<double>{x})(Index{0}); };
  // 255 (log(1 + 255 x) / log(256) + 1) / 2, rounded, worked out by hand: x = 0.1 gives 0.590858.
  CHECK(level(0.1) == 203);
  CHECK(level(-0.1) == 52);
  CHECK(level(0.0) == 128);
  CHECK(level(1.0) == 255);
  CHECK(level(-1.0) == 0);
  CHECK(level(17.0) == 255);
  CHECK(level(-std::numeric_limits<double>::infinity()) == 0);
  const Tensor<double> x = Tensor<double>::linspace(-1, 1, 4001);
  const Tensor<double> k = pf::data::mu_law_encode(x), y = pf::data::mu_law_decode(k);
  for (Index i = 0; i < x.size(); ++i) {
    // A step is at most log(256) (1 + 255 |x|) / 255 / 127.5 wide where it is widest, at the far end.
    const double far = std::max(std::abs(x(i)), std::abs(y(i)));
    REQUIRE(std::abs(x(i) - y(i)) <= 0.5 * std::log(256.0) * (1.0 / 255 + far) / 127.5 * 1.0001);
  }
}

TEST_CASE("mu-law says what is wrong") {
  CHECK_THROWS_AS(pf::data::mu_law_encode(Tensor<>{std::nanf("")}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::mu_law_encode(Tensor<>{0}, 1), pf::ValueError);
  CHECK_THROWS_AS(pf::data::mu_law_decode(Tensor<>{256}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::mu_law_decode(Tensor<>{-0.5f}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::mu_law_decode(Tensor<>{std::nanf("")}), pf::ValueError);
}

TEST_CASE("a sound's phase moves by the integral of the frequencies that come with it") {
  pf::Rng rng(3);
  const pf::data::Sounds<double> made = pf::data::sounds<double>(40, rng, {.length = 3000, .rate = 8000, .noise = 0});
  CHECK(made.waves.to_vector() == made.clean.to_vector());
  for (Index i = 0; i < 40; ++i) {
    const double amplitude = made.attributes(i, 2);
    double phase = made.attributes(i, 3);
    for (Index t = 0; t < 3000; ++t) {
      REQUIRE(made.clean(i, t) == Approx(amplitude * std::sin(phase)).margin(2e-3 * amplitude));
      // The trapezoid rule: its error is the step cubed times the curvature of the frequency, summed up.
      if (t + 1 < 3000)
        phase += 2 * std::numbers::pi * 0.5 * (made.frequencies(i, t) + made.frequencies(i, t + 1)) / 8000;
    }
  }
}

TEST_CASE("sounds of each kind do what their name says, between the frequencies asked for") {
  pf::Rng rng(5);
  const pf::data::SoundsOptions options{.length = 2000, .lowest = 300, .highest = 900};
  const pf::data::Sounds<double> made = pf::data::sounds<double>(400, rng, options);
  std::vector<Index> counts(4, 0);
  for (Index i = 0; i < 400; ++i) {
    const auto kind = static_cast<SoundKind>(made.labels(i));
    ++counts[static_cast<std::size_t>(made.labels(i))];
    double low = 1e9, high = 0;
    bool up = false, down = false;
    for (Index t = 0; t < 2000; ++t) {
      low = std::min(low, made.frequencies(i, t));
      high = std::max(high, made.frequencies(i, t));
      if (t > 0) up |= made.frequencies(i, t) > made.frequencies(i, t - 1);
      if (t > 0) down |= made.frequencies(i, t) < made.frequencies(i, t - 1);
    }
    CHECK(low >= 300 * (1 - 1e-12));
    CHECK(high <= 900 * (1 + 1e-12));
    CHECK(made.frequencies(i, 0) == Approx(made.attributes(i, 0)));
    CHECK(up == (kind == SoundKind::rising || kind == SoundKind::vibrato));
    CHECK(down == (kind == SoundKind::falling || kind == SoundKind::vibrato));
  }
  for (const Index count : counts) CHECK(std::abs(static_cast<double>(count) - 100) < 5 * std::sqrt(75.0));
  const double noise = std::sqrt(pf::square(made.waves - made.clean).mean());
  CHECK(noise == Approx(0.003).epsilon(0.01));  // 800 000 numbers: a standard deviation of 0.0008
}

TEST_CASE("a sound depends on the generator and its number only") {
  pf::Rng a(7), b(7);
  const auto five = pf::data::sounds(5, a, {.length = 100}), nine = pf::data::sounds(9, b, {.length = 100});
  CHECK(five.waves.to_vector() == pf::slice(nine.waves, 0, 0, 5).to_vector());
  pf::Rng c(8);
  CHECK(five.waves.to_vector() != pf::data::sounds(5, c, {.length = 100}).waves.to_vector());
  const auto tones = pf::data::sounds(20, c, {.length = 10, .kinds = {SoundKind::falling}});
  CHECK(tones.labels.to_vector() == std::vector<Index>(20, 2));
}

TEST_CASE("sounds say what is wrong with their options") {
  pf::Rng rng(9);
  const auto draw = [&](const pf::data::SoundsOptions& options) { return pf::data::sounds(1, rng, options); };
  CHECK_THROWS_AS(pf::data::sounds(-1, rng), pf::ValueError);
  CHECK_THROWS_AS(draw({.length = 0}), pf::ValueError);
  CHECK_THROWS_AS(draw({.rate = 0}), pf::ValueError);
  CHECK_THROWS_AS(draw({.lowest = 0}), pf::ValueError);
  CHECK_THROWS_AS(draw({.lowest = 900, .highest = 800}), pf::ValueError);
  CHECK_THROWS_AS(draw({.highest = 4001}), pf::ValueError);
  CHECK_THROWS_AS(draw({.loudest = 1.5}), pf::ValueError);
  CHECK_THROWS_AS(draw({.noise = -1}), pf::ValueError);
}

TEST_CASE("the fast Fourier transform is the sum that defines it") {
  pf::Rng rng(11);
  for (const std::size_t n : {1u, 2u, 4u, 8u, 64u}) {
    std::vector<std::complex<double>> x(n), expected(n);
    for (auto& v : x) v = {rng.normal(), rng.normal()};
    for (std::size_t k = 0; k < n; ++k)
      for (std::size_t j = 0; j < n; ++j)
        expected[k] +=
            x[j] * std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(j * k % n) / static_cast<double>(n));
    pf::data::detail::fourier_transform(x);
    for (std::size_t k = 0; k < n; ++k) CHECK(std::abs(x[k] - expected[k]) < 1e-12);
  }
}

TEST_CASE("a spectrogram shows a sine where it is, as strong as it is") {
  const auto s = pf::data::spectrogram(sine(2000, 8000, 1000, 0.5), {.rate = 8000, .window = 256, .step = 100});
  CHECK(s.power.shape() == pf::Shape{18, 129});
  CHECK(s.hertz == 31.25);
  CHECK(s.first == Approx(0.016));
  CHECK(s.seconds == Approx(0.0125));
  for (Index w = 0; w < 18; ++w) {
    CHECK(s.power(w, 32) == Approx(0.25).epsilon(1e-6));
    CHECK(s.power(w, 31) == Approx(0.25 / 4).epsilon(1e-3));  // Hann's window: half as strong beside it
    CHECK(s.power(w, 60) < 1e-9);
  }
  const auto constant = pf::data::spectrogram(Tensor<>::full({64}, 0.5f), {.rate = 100, .window = 64});
  CHECK(constant.power(0, 0) == Approx(0.25));
}

TEST_CASE("the strongest frequencies of a chirp are its own") {
  pf::Rng rng(13);
  const auto made = pf::data::sounds<double>(12, rng, {.length = 8000, .rate = 8000});
  for (Index i = 0; i < 12; ++i) {
    const auto s = pf::data::spectrogram(pf::squeeze(pf::slice(made.waves, 0, i, i + 1), 0),
                                         {.rate = 8000, .window = 512, .step = 500});
    const std::vector<double> found = pf::data::strongest_frequencies(s);
    for (std::size_t w = 0; w < found.size(); ++w) {
      const auto middle = static_cast<Index>(std::lround((s.first + static_cast<double>(w) * s.seconds) * 8000));
      CHECK(std::abs(found[w] - made.frequencies(i, middle)) < 0.4 * s.hertz);
    }
  }
}

TEST_CASE("a spectrogram says what is wrong") {
  const Tensor<> wave = Tensor<>::zeros({300});
  CHECK_THROWS_AS(pf::data::spectrogram(Tensor<>::zeros({2, 300})), pf::ShapeError);
  CHECK_THROWS_AS(pf::data::spectrogram(Tensor<>::zeros({255})), pf::ValueError);
  CHECK_THROWS_AS(pf::data::spectrogram(wave, {.window = 100}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::spectrogram(wave, {.window = 2}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::spectrogram(wave, {.step = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::spectrogram(wave, {.rate = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::spectrogram(Tensor<>::full({300}, std::nanf(""))), pf::ValueError);
  CHECK(pf::data::strongest_frequencies(pf::data::spectrogram(wave)).front() == 0);
}
