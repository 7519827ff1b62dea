#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include <pushforward/data/quantize.hpp>
#include <pushforward/data/text.hpp>

#include "io/scratch.hpp"
#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;
using pf::Index;
using pf::Shape;
using pf::Tensor;
using pf::data::Vocabulary;

namespace {

// Stands for a training objective: the mean over the examples of their first number.
struct FirstNumber {
  template <class Model>
  Tensor<double> operator()(const Model&, const Tensor<Index>& x, const pf::ExampleMean& over = {}) const {
    return over(
        Tensor<double>::generate({x.size(0)}, [&](Index i) { return static_cast<double>(x.data()[i * x.size(1)]); }));
  }
};

// The same of what each label is times the first number.
struct Labelled {
  template <class Model>
  Tensor<double> operator()(const Model&, const Tensor<Index>& x, const Tensor<Index>& labels,
                            const pf::ExampleMean& over = {}) const {
    return over(Tensor<double>::generate(
        {x.size(0)}, [&](Index i) { return static_cast<double>(x.data()[i * x.size(1)] * labels.data()[i]); }));
  }
};

}  // namespace

TEST_CASE("a vocabulary holds the characters of a text in order, and gives the text back") {
  const std::string text = "to be, or\nnot to be";
  const Vocabulary vocabulary(text);
  CHECK(vocabulary.symbols() == "\n ,benort");
  CHECK(vocabulary.size() == 9);
  CHECK_FALSE(vocabulary.of_bytes());
  const Tensor<Index> tokens = vocabulary.encode(text);
  CHECK(tokens.shape() == Shape{19});
  CHECK(tokens(0) == 8);
  CHECK(tokens(9) == 0);
  CHECK(vocabulary.decode(tokens) == text);
  CHECK(Vocabulary(vocabulary.symbols()).symbols() == vocabulary.symbols());
  CHECK(vocabulary.encode("").size() == 0);
  CHECK(vocabulary.decode(Tensor<Index>()).empty());
}

TEST_CASE("characters of UTF-8 text are code points") {
  const std::string text = "na\xC3\xAFve \xE2\x86\x92 \xF0\x9F\x99\x82\xC3\xAF";  // i with diaeresis, arrow, a face
  const Vocabulary vocabulary(text);
  CHECK(vocabulary.size() == 8);
  const Tensor<Index> tokens = vocabulary.encode(text);
  CHECK(tokens.size() == 10);
  CHECK(tokens(2) == tokens(9));
  CHECK(vocabulary.decode(tokens) == text);
  CHECK(Vocabulary(vocabulary.symbols()).encode(text).to_vector() == tokens.to_vector());
}

TEST_CASE("a vocabulary of bytes takes everything as it is") {
  const Vocabulary bytes = Vocabulary::bytes();
  CHECK(bytes.size() == 256);
  CHECK(bytes.of_bytes());
  const std::string text("\xFF\x00z\xC3", 4);
  CHECK(bytes.encode(text).to_vector() == std::vector<Index>{255, 0, 122, 195});
  CHECK(bytes.decode(bytes.encode(text)) == text);
  const Vocabulary again(bytes.symbols());
  CHECK(again.of_bytes());
  CHECK(again.encode(text).to_vector() == bytes.encode(text).to_vector());
  CHECK(bytes.symbols().size() == 256);
}

TEST_CASE("characters and tokens outside of a vocabulary are refused by name") {
  const Vocabulary vocabulary("abc");
  CHECK_THROWS_AS(vocabulary.encode("abz"), pf::ValueError);
  CHECK_THROWS_WITH(vocabulary.encode("abz"),
                    ContainsSubstring("'z' (U+007A) at byte 2") && ContainsSubstring("3 characters of the vocabulary"));
  CHECK_THROWS_WITH(vocabulary.encode("a\xC3\xAF"), ContainsSubstring("'\xC3\xAF' (U+00EF) at byte 1"));
  CHECK_THROWS_WITH(vocabulary.encode("\n"), ContainsSubstring(": (U+000A) at byte 0"));
  CHECK_THROWS_WITH(vocabulary.decode(Tensor<Index>{0, 3}), ContainsSubstring("token 1 is 3, expected 0 to 2"));
  CHECK_THROWS_AS(vocabulary.decode(Tensor<Index>{-1}), pf::IndexError);
  CHECK_THROWS_AS(Vocabulary::bytes().decode(Tensor<Index>{256}), pf::IndexError);
  CHECK_THROWS_AS(vocabulary.decode(Tensor<Index>::zeros({2, 2})), pf::ShapeError);
  CHECK_THROWS_AS(Vocabulary(""), pf::ValueError);
}

TEST_CASE("text that is not UTF-8 is refused where it breaks") {
  // A byte of no character, one cut off, a continuation missing, an overlong form, a surrogate, and past the last one.
  for (const char* text : {"ab\xFF", "ab\xE2\x86", "ab\xC3x", "ab\xC0\x80", "ab\xE0\x80\x80", "ab\xED\xA0\x80",
                           "ab\xF4\x90\x80\x80", "ab\x80"}) {
    INFO(text);
    CHECK_THROWS_WITH(Vocabulary(text), ContainsSubstring("not UTF-8 at byte 2"));
  }
  CHECK_THROWS_AS(Vocabulary("ab").encode("a\xFF"), pf::ValueError);
}

TEST_CASE("text files are read whole") {
  const Scratch scratch;
  CHECK(pf::data::load_text(scratch.write("a.txt", "line\r\nline\n")) == "line\r\nline\n");
  CHECK_THROWS_AS(pf::data::load_text(scratch.write("empty.txt", "")), pf::IoError);
  CHECK_THROWS_AS(pf::data::load_text(scratch / "nowhere.txt"), pf::IoError);
  CHECK_THROWS_WITH(pf::data::load_tiny_shakespeare(scratch / ""), ContainsSubstring("PUSHFORWARD_DATA"));
  scratch.write("input.txt", "First Citizen:");
  CHECK(pf::data::load_tiny_shakespeare(scratch / "") == "First Citizen:");
}

TEST_CASE("windows are cut from a sequence as far as they fit") {
  const Tensor<Index> tokens = Tensor<Index>::arange(0, 10);
  CHECK(pf::data::windows(tokens, {.length = 4}).to_vector() == std::vector<Index>{0, 1, 2, 3, 4, 5, 6, 7});
  const Tensor<Index> overlapping = pf::data::windows(tokens, {.length = 4, .stride = 3});
  CHECK(overlapping.shape() == Shape{3, 4});
  CHECK(overlapping(2, 0) == 6);
  CHECK(overlapping(2, 3) == 9);
  CHECK(pf::data::windows(tokens, {.length = 10}).shape() == Shape{1, 10});
  CHECK_THROWS_AS(pf::data::windows(tokens, {.length = 11}), pf::ShapeError);
  CHECK_THROWS_AS(pf::data::windows(tokens, {.length = 0}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::windows(tokens, {.length = 2, .stride = -1}), pf::ValueError);
  CHECK_THROWS_AS(pf::data::windows(Tensor<Index>::zeros({3, 3}), {.length = 2}), pf::ShapeError);

  const auto [first, last] = pf::data::split_sequence(tokens, 0.25);
  CHECK(first.size() == 8);
  CHECK(last.to_vector() == std::vector<Index>{8, 9});
  for (const double fraction : {0.0, 1.0, -0.5, 0.05, std::nan(""), 1e300, -std::numeric_limits<double>::infinity()})
    CHECK_THROWS_AS(pf::data::split_sequence(tokens, fraction), pf::ValueError);
  CHECK_THROWS_AS(pf::data::split_sequence(Tensor<Index>::zeros({2, 3}), 0.5), pf::ShapeError);
}

TEST_CASE("random crops show every window of a sequence equally often") {
  pf::Rng rng(1);
  constexpr Index t = 5, n = 40;
  const Tensor<Index> rows =
      pf::data::windows(Tensor<Index>::arange(0, t * (n + 1)), {.length = 2 * t - 1, .stride = t});
  const auto objective = pf::data::random_crops(FirstNumber{}, t);
  std::vector<double> counts(static_cast<std::size_t>(t * rows.size(0)), 0);
  constexpr int epochs = 1000;
  for (int epoch = 0; epoch < epochs; ++epoch)
    for (Index row = 0; row < rows.size(0); ++row)
      counts[static_cast<std::size_t>(objective(0, pf::slice(rows, 0, row, row + 1), rng).item())] += 1;
  // Each count is binomial with mean 200 and variance 160; 6 deviations for the largest of 200 of them.
  for (const double count : counts) CHECK(std::abs(count - epochs / double{t}) < 6 * std::sqrt(160.0));
  // Rows of the length itself are taken as they are, and weights go through.
  const Tensor<Index> exact = pf::data::windows(Tensor<Index>::arange(0, 2 * t), {.length = t});
  const pf::Rng::State before = rng.state();
  CHECK(objective(0, exact, rng).item() == 2.5);
  CHECK(objective(0, exact, rng, pf::ExampleMean(Tensor<double>{3, 1})).item() == 1.25);
  CHECK(rng.state() == before);
  CHECK_THROWS_AS(objective(0, Tensor<Index>::zeros({2, t - 1}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::data::random_crops(FirstNumber{}, 0), pf::ValueError);
}

TEST_CASE("random crops keep labels with their rows, and cut what lies beside them at the same places") {
  pf::Rng rng(2), a(3), b(3);
  constexpr Index n = 50, w = 9, t = 4;
  const Tensor<Index> rows = Tensor<Index>::generate({n, w}, [](Index i) { return i; });
  const Tensor<Index> labels = Tensor<Index>::arange(0, n);
  const auto [crops, same] = pf::data::random_crops(rows, labels, t, rng);
  CHECK(crops.shape() == Shape{n, t});
  CHECK(same.to_vector() == labels.to_vector());
  std::vector<Index> begins(w, 0);
  for (Index row = 0; row < n; ++row) {
    const Index begin = crops(row, 0) - row * w;
    REQUIRE((0 <= begin && begin <= w - t));
    ++begins[static_cast<std::size_t>(begin)];
    for (Index i = 1; i < t; ++i) CHECK(crops(row, i) == crops(row, 0) + i);
  }
  for (Index begin = 0; begin <= w - t; ++begin) CHECK(begins[static_cast<std::size_t>(begin)] > 0);
  CHECK(pf::data::random_crops(rows, t, a).to_vector() ==
        std::get<0>(pf::data::random_crops(rows, labels, t, b)).to_vector());

  const auto [inputs, targets] = pf::data::random_crops(rows, Tensor<Index>(rows + 1000), t, rng);
  CHECK(targets.to_vector() == Tensor<Index>(inputs + 1000).to_vector());
  const Tensor<double> beside =  // [n, 2, w]: the row's numbers, and minus them
      Tensor<double>::generate({n, 2, w}, [](Index i) {
        const Index row = i / (2 * w), sign = i / w % 2 == 0 ? 1 : -1;
        return static_cast<double>(sign * (row * w + i % w));
      });
  const auto [some, along] = pf::data::random_crops(rows, beside, t, rng);
  CHECK(along.shape() == Shape{n, 2, t});
  for (Index row = 0; row < n; ++row)
    for (Index i = 0; i < t; ++i) {
      CHECK(along(row, 0, i) == static_cast<double>(some(row, i)));
      CHECK(along(row, 1, i) == -static_cast<double>(some(row, i)));
    }
  const Tensor<double> of_rows = Tensor<double>::zeros({n, w});  // one condition of w numbers for each row
  CHECK(std::get<1>(pf::data::random_crops(rows, of_rows, t, rng)).shape() == Shape{n, w});

  CHECK_THROWS_AS(pf::data::random_crops(rows, 0, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::data::random_crops(rows, w + 1, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::data::random_crops(rows, Tensor<Index>::zeros({n + 1}), t, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::data::random_crops(rows, Tensor<Index>::zeros({n, w - 1}), t, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::data::random_crops(rows, Tensor<double>::zeros({n, 2, t}), t, rng), pf::ShapeError);
}

TEST_CASE("an objective of random crops takes labels, weights, and randomness of its own") {
  pf::Rng rng(4), same(4);
  const Tensor<Index> rows = Tensor<Index>::generate({6, 5}, [](Index i) { return i; });
  const Tensor<Index> labels{3, 1, 4, 1, 5, 9};
  const auto objective = pf::data::random_crops(Labelled{}, 2);
  const auto crops = pf::data::random_crops(rows, 2, same);
  CHECK(objective(0, rows, labels, rng).item() == Labelled{}(0, crops, labels).item());
  const Tensor<double> weights{1, 2, 0, 1, 0, 3};
  const int model = 0;
  const double weighted = pf::weighted(objective)(model, rows, labels, weights, rng).item();
  const Tensor<Index> kept{0, 1, 3, 5};
  const auto kept_crops = pf::data::random_crops(pf::index_select(rows, 0, kept), 2, same);
  CHECK(weighted ==
        Labelled{}(0, kept_crops, Tensor<Index>{3, 1, 1, 9}, pf::ExampleMean(Tensor<double>{1, 2, 1, 3})).item());
  const auto noisy = pf::data::random_crops([](const auto&, const Tensor<Index>& x, const Tensor<Index>& y,
                                               pf::Rng& random) { return Labelled{}(0, x, y) + random.uniform(); },
                                            2);
  const auto more = pf::data::random_crops(rows, 2, same);
  const double noise = same.uniform();
  CHECK(noisy(0, rows, labels, rng).item() == Labelled{}(0, more, labels).item() + noise);
  CHECK(rng.state() == same.state());
}

TEST_CASE("quantize takes the nearest level") {
  const Tensor<double> x{0, 0.16, 0.17, 0.5, 0.84, 1};
  CHECK(pf::data::quantize(x, 4).to_vector() == std::vector<double>{0, 0, 1, 2, 3, 3});
  CHECK(pf::data::quantize(Tensor<>{0.49f, 0.51f}, 2).to_vector() == std::vector<float>{0, 1});
  CHECK_THROWS_AS(pf::data::quantize(Tensor<>{1.1f}, 4), pf::ValueError);
  CHECK_THROWS_AS(pf::data::quantize(Tensor<>{0.5f}, 1), pf::ValueError);
}
