#include <cmath>
#include <cstdio>
#include <fstream>
#include <sstream>

#include <pushforward/data/toy_gaussians.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/metrics/evaluate.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using pf::Evaluation;
using pf::Index;

namespace {

pf::Normal<> normal(double mean, double std) {
  return pf::Normal<>(pf::Tensor<>::full({2}, static_cast<float>(mean)),
                      pf::Tensor<>::full({2}, static_cast<float>(std)));
}

// N(mean, 1) in the plane without a density.
struct Sampler {
  double mean = 0;
  pf::Tensor<> sample(Index n, pf::Rng& rng) const { return pf::normal({n, 2}, rng) + mean; }
};

struct Wrong {
  pf::Tensor<> made;
  pf::Tensor<> sample(Index, pf::Rng&) const { return made; }
};

const pf::SlicedWassersteinOptions few{.projections = 2};  // where the distance is of no interest

std::string read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("the likelihood of a normal has its closed form, its standard error and its gap") {
  pf::Rng rng(0);
  const pf::Normal<> truth = normal(0, 1), model = normal(0.5, 1);
  const pf::Tensor<> x = truth.sample(20'000, rng);
  const Evaluation e = pf::evaluate(
      model, x, {.name = "shifted", .true_logs = truth.log_prob(x), .draws = 100, .mmd_rows = 100, .sliced = few}, rng);
  REQUIRE(e.kind.has_value());
  CHECK(*e.kind == pf::LikelihoodKind::exact);
  CHECK(e.name == "shifted");
  // Var log N(x; m, 1) over x ~ N(0, 1) is 1/2 + m^2 for each axis.
  const double error = std::sqrt(2 * (0.5 + 0.25) / 20'000);
  CHECK(e.log_likelihood_error == Catch::Approx(error).epsilon(0.03));
  const double entropy = std::log(2 * 3.14159265358979) + 1;
  CHECK(e.true_log_likelihood == Catch::Approx(-entropy).margin(4 * std::sqrt(1.0 / 20'000)));
  CHECK(e.log_likelihood == Catch::Approx(-entropy - 0.25).margin(4 * error));
  CHECK(e.gap == Catch::Approx(0.25).margin(4 * 0.5 * std::sqrt(2.0 / 20'000)));  // KL = m^2 / 2 for each axis
  CHECK(e.gap_error == Catch::Approx(0.5 * std::sqrt(2.0 / 20'000)).epsilon(0.03));
  CHECK(e.gap == Catch::Approx(e.true_log_likelihood - e.log_likelihood).margin(1e-5));
}

TEST_CASE("distances are measured against those of real data") {
  pf::Rng rng(0);
  const pf::Tensor<> x = normal(0, 1).sample(4'000, rng);
  const pf::EvaluateOptions<> how{.draws = 2'000, .mmd_rows = 1'000, .sliced = {.projections = 64}};
  const Evaluation same = pf::evaluate(normal(0, 1), x, how, rng), far = pf::evaluate(normal(2, 1), x, how, rng);
  CHECK(same.sliced_wasserstein_ratio() == Catch::Approx(1).margin(0.7));
  CHECK(far.sliced_wasserstein == Catch::Approx(2).margin(0.2));  // |shift| / sqrt(2) with |shift| = 2 sqrt(2)
  CHECK(far.sliced_wasserstein_ratio() > 20);
  CHECK(std::abs(same.mmd) < 0.005);
  CHECK(std::abs(same.real_mmd) < 0.005);
  CHECK(far.mmd > 0.1);
}

TEST_CASE("the same generator gives the same figures, and real data the same for every model") {
  const pf::Tensor<> x = [] {
    pf::Rng rng(5);
    return normal(0, 1).sample(2'000, rng);
  }();
  pf::Rng a(1), b(1), c(1);
  const pf::EvaluateOptions<> how{.draws = 500, .mmd_rows = 200, .sliced = {.projections = 32}};
  const Evaluation first = pf::evaluate(normal(0, 1), x, how, a), second = pf::evaluate(normal(0, 1), x, how, b),
                   other = pf::evaluate(Sampler{1}, x, how, c);
  CHECK(first.sliced_wasserstein == second.sliced_wasserstein);
  CHECK(first.mmd == second.mmd);
  CHECK(first.real_sliced_wasserstein == other.real_sliced_wasserstein);
  CHECK(first.real_mmd == other.real_mmd);
  CHECK(first.sliced_wasserstein < other.sliced_wasserstein);
}

TEST_CASE("a reference takes the place of half of the held-out data") {
  pf::Rng rng(0);
  const pf::Tensor<> x = normal(0, 1).sample(1'000, rng);
  const Evaluation e =
      pf::evaluate(Sampler{}, x, {.reference = normal(3, 1).sample(1'000, rng), .draws = 1'000, .mmd_rows = 100}, rng);
  CHECK(e.real_sliced_wasserstein == Catch::Approx(3).margin(0.3));
  CHECK(e.sliced_wasserstein < 0.3);
}

TEST_CASE("a model without a likelihood has none, and only some rows are scored if asked") {
  pf::Rng rng(0);
  const pf::Tensor<> x = normal(0, 1).sample(1'000, rng);
  const Evaluation none = pf::evaluate(Sampler{}, x, {.draws = 500, .mmd_rows = 50, .sliced = few}, rng);
  CHECK_FALSE(none.kind.has_value());
  CHECK(std::isnan(none.log_likelihood));
  CHECK(std::isnan(none.gap));

  const pf::Normal<> model = normal(0, 1);
  const Evaluation some = pf::evaluate(
      model, x,
      {.true_logs = model.log_prob(x), .draws = 500, .scored = 10, .batch_size = 3, .mmd_rows = 50, .sliced = few},
      rng);
  CHECK(some.log_likelihood == Catch::Approx(model.log_prob(pf::slice(x, 0, 0, 10)).mean()).epsilon(1e-6));
  CHECK(some.true_log_likelihood == Catch::Approx(some.log_likelihood).epsilon(1e-6));
  CHECK(some.gap == Catch::Approx(0).margin(1e-9));
}

TEST_CASE("covered modes are counted where they are known") {
  pf::Rng rng(0);
  const pf::data::EightGaussians ring;
  const Evaluation all =
      pf::evaluate(ring, ring.sample(1'000, rng),
                   {.modes = ring.centers(), .radius = 0.9, .draws = 2'000, .mmd_rows = 50, .sliced = few}, rng);
  REQUIRE(all.coverage.has_value());
  CHECK(all.modes == 8);
  CHECK(all.coverage->covered == 8);
  CHECK(all.coverage->near > 0.98);
  const Wrong one{pf::Tensor<>::zeros({2'000, 2}) + pf::Tensor<>{3, 0}};
  const Evaluation single =
      pf::evaluate(one, ring.sample(1'000, rng),
                   {.modes = ring.centers(), .radius = 0.9, .draws = 2'000, .mmd_rows = 50, .sliced = few}, rng);
  CHECK(single.coverage->covered == 1);
  CHECK(pf::table({all, single}).find("8/8") != std::string::npos);
  CHECK(pf::table({all, single}).find("1/8") != std::string::npos);
}

TEST_CASE("seconds to draw count for ten thousand") {
  struct Slow {
    pf::Tensor<> sample(Index n, pf::Rng& rng) const {
      const double seconds = pf::timed([&] {
        while (pf::timed([] {}) >= 0 && ++turns_ < 200'000) {
        }
      });
      last = seconds;
      return pf::normal({n, 2}, rng);
    }
    mutable long turns_ = 0;
    mutable double last = 0;
  };
  pf::Rng rng(0);
  const Slow slow;
  const Evaluation e = pf::evaluate(slow, pf::normal({100, 2}, rng), {.draws = 100, .train_seconds = 12}, rng);
  CHECK(slow.last > 0);
  CHECK(e.draw_seconds >= 100 * slow.last);
  CHECK(e.train_seconds == 12);
}

TEST_CASE("the table is aligned and leaves out what nobody knows") {
  Evaluation known, unknown;
  known.name = "flow";
  known.kind = pf::LikelihoodKind::exact;
  known.log_likelihood = -2.3456;
  known.log_likelihood_error = 0.01;
  known.sliced_wasserstein = 0.05;
  known.real_sliced_wasserstein = 0.025;
  unknown.name = "adversarial";
  unknown.sliced_wasserstein = 0.1;
  const std::string text = pf::table({known, unknown});
  std::istringstream lines(text);
  std::vector<std::string> line(4);
  for (std::string& l : line) std::getline(lines, l);
  CHECK(line[2].find("-2.346") != std::string::npos);
  CHECK(line[2].find("exact") != std::string::npos);
  CHECK(line[3].find("none") != std::string::npos);
  CHECK(line[2].find("0.050") == line[3].find("0.100"));  // one under the other
  CHECK(text.find("gap") == std::string::npos);
  CHECK(text.find("modes") == std::string::npos);
  CHECK(text.find("nan") == std::string::npos);
  CHECK(known.sliced_wasserstein_ratio() == Catch::Approx(2));
}

TEST_CASE("the file has every figure, names in quotes, and nothing for what is not known") {
  Evaluation e;
  e.name = "8 gaussians, \"my\" flow";
  e.kind = pf::LikelihoodKind::lower_bound;
  e.log_likelihood = 0.1;
  const std::string path = "evaluate_test.csv";
  pf::save_csv(path, {e});
  const std::string text = read(path);
  std::remove(path.c_str());
  std::istringstream lines(text);
  std::string head, row;
  std::getline(lines, head);
  std::getline(lines, row);
  CHECK(row == "\"8 gaussians, \"\"my\"\" flow\",lower bound,0.10000000000000001,,,,,,,,,,,,");
  // One comma of the row stands in the name.
  CHECK(std::count(head.begin(), head.end(), ',') == std::count(row.begin(), row.end(), ',') - 1);
}

TEST_CASE("evaluate says what does not fit") {
  pf::Rng rng(0);
  const pf::Tensor<> x = pf::normal({100, 2}, rng);
  CHECK_THROWS_AS(pf::evaluate(Sampler{}, pf::Tensor<>::zeros({2, 2}), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::evaluate(Sampler{}, pf::normal({100, 2, 2}, rng), rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::evaluate(Sampler{}, x, {.reference = pf::normal({100, 3}, rng)}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::evaluate(Sampler{}, x, {.true_logs = pf::normal({99}, rng)}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::evaluate(Sampler{}, x, {.draws = 1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::evaluate(Sampler{}, x, {.batch_size = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::evaluate(Sampler{}, x, {.modes = x, .radius = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::evaluate(Wrong{pf::normal({10, 3}, rng)}, x, {.draws = 10}, rng), pf::ShapeError);
  CHECK_THROWS_AS(pf::evaluate(Wrong{pf::Tensor<>::full({10, 2}, std::nanf(""))}, x, {.draws = 10}, rng),
                  pf::ValueError);
}
