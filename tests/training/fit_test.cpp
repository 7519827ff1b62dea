// fit(): it learns, reports, stops, is interrupted, and refuses what cannot be trained.
#include <cmath>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <tuple>
#include <vector>

#include <unistd.h>

#include <pushforward/nn/linear.hpp>
#include <pushforward/nn/spectral_norm.hpp>
#include <pushforward/ops/reductions.hpp>
#include <pushforward/training.hpp>

#include "support/catch.hpp"
#include "support/spectral_norms.hpp"

namespace pf = pushforward;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;

namespace {

// A density to learn: a normal distribution whose mean and logarithmic scale are parameters.
struct Gaussian {
  pf::Parameter<> mean{pf::Tensor<>::zeros({2})}, log_scale{pf::Tensor<>::zeros({2})};
  pf::Mode mode;

  pf::Tensor<> negative_log_prob(const pf::Tensor<>& x) const {
    const auto z = (x - mean) * pf::exp(-log_scale);
    return pf::mean(pf::sum(0.5f * pf::square(z) + log_scale, 1));
  }
  static void members(auto& self, auto&& visit) {
    visit("mean", self.mean);
    visit("log_scale", self.log_scale);
    visit("mode", self.mode);
  }
};

const auto objective = [](const Gaussian& model, const pf::Tensor<>& batch) { return model.negative_log_prob(batch); };

// Normal with mean (2, -1) and scale (0.5, 2).
pf::Tensor<> samples(pf::Index n, std::uint64_t seed = 5) {
  pf::Rng rng(seed);
  return pf::normal({n, 2}, rng) * pf::Tensor<>{0.5f, 2.0f} + pf::Tensor<>{2.0f, -1.0f};
}

pf::FitOptions quiet(pf::FitOptions options) {
  options.progress = pf::Progress::off;
  return options;
}

// y = 3 x, which a network of spectral norm 1 cannot reach: its weights grow all the time.
template <class S>
S steep(const pf::SpectralMlp<S>& model, const pf::Tensor<S>& x) {
  return pf::mean(pf::square(model(x) - 3 * x)).item();
}
template <class S>
void check_spectral_norms(double ema_decay, pf::Index patience) {
  pf::Rng rng(3);
  pf::SpectralMlp<S> model({2, 24, 24, 2}, rng);
  const auto x = pf::normal<S>({200, 2}, rng);
  const auto loss = [](const auto& m, const pf::Tensor<S>& batch) {
    return pf::mean(pf::square(m(batch) - 3 * batch));
  };
  std::vector<double> losses;
  const auto see = [&](const pf::EpochReport&) {
    support::expect_spectral_norms_of_one(model), losses.push_back(steep(model, x));
  };
  const auto history = pf::fit(model, x, loss,
                               quiet({.epochs = 4,
                                      .batch_size = 20,
                                      .optimizer = pf::Adam({.learning_rate = 0.1}),
                                      .ema_decay = ema_decay,
                                      .validation = x,
                                      .patience = patience,
                                      .callbacks = {see}}),
                               rng);
  support::expect_spectral_norms_of_one(model);
  REQUIRE(losses.size() == history.epochs.size());
  for (std::size_t i = 0; i < losses.size(); ++i)  // validation sees what callbacks see
    CHECK(history.epochs[i].validation_loss == Approx(losses[i]).epsilon(1e-5));
}

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

std::string temporary(const std::string& name) {
  return "/tmp/pushforward_fit_test_" + std::to_string(getpid()) + "_" + name;
}

}  // namespace

TEST_CASE("fit finds the maximum likelihood, and leaves the model in evaluation mode") {
  Gaussian model;
  pf::Rng rng(0);
  const auto data = samples(4000);
  const auto history = pf::fit(model, data, objective,
                               {.epochs = 20,
                                .batch_size = 256,
                                .optimizer = pf::Adam({.learning_rate = 0.05}),
                                .schedule = pf::warm_up(10, pf::cosine_decay()),
                                .clip_norm = 10,
                                .progress = pf::Progress::off},
                               rng);
  // The optimum is the sample mean and standard deviation: cosine decay ends at it.
  const auto center = pf::mean(data, 0);
  for (int i = 0; i < 2; ++i) {
    CHECK(model.mean(i) == Approx(center(i)).margin(0.02));
    CHECK(std::exp(model.log_scale(i)) == Approx(std::sqrt(pf::mean(pf::square(data - center), 0)(i))).epsilon(0.02));
  }
  CHECK_FALSE(model.mode.training);
  REQUIRE(history.epochs.size() == 20);
  CHECK(history.train_losses().back() < history.train_losses().front());
  CHECK(history.epochs.back().steps == 20 * 16);
  CHECK(history.epochs.back().learning_rate < 1e-4);
  CHECK_FALSE(history.stopped_early);
  CHECK_FALSE(history.interrupted);
}

TEST_CASE("the training loss of an epoch is the mean over rows, and validation runs in evaluation mode") {
  Gaussian model;
  pf::Rng rng(0);
  const auto data = samples(10), held_out = samples(7, 6);
  const auto mode_as_loss = [](const Gaussian& m, const pf::Tensor<>& batch, pf::Rng&) {
    return pf::sum(batch) / static_cast<float>(batch.size(0)) + 0.0f * pf::sum(m.mean) +
           (m.mode.training ? 0.0f : 100.0f);
  };
  const auto history =
      pf::fit(model, data, mode_as_loss, quiet({.epochs = 1, .batch_size = 4, .validation = held_out}), rng);
  CHECK(history.epochs[0].train_loss == Approx(data.sum() / 10));
  CHECK(history.epochs[0].validation_loss == Approx(held_out.sum() / 7 + 100));
}

TEST_CASE("labelled data reaches the objective as a tuple or as its parts") {
  pf::Rng rng(0);
  const auto x = samples(100);
  const auto y = pf::sum(x, 1, true);
  pf::Linear<> by_parts(2, 1, rng), by_tuple = by_parts;
  const auto parts = [](const pf::Linear<>& m, const pf::Tensor<>& in, const pf::Tensor<>& out) {
    return pf::mean(pf::square(m(in) - out));
  };
  const auto tuple = [](const pf::Linear<>& m, const std::tuple<pf::Tensor<>, pf::Tensor<>>& batch) {
    return pf::mean(pf::square(m(std::get<0>(batch)) - std::get<1>(batch)));
  };
  pf::Rng a(1), b(1);
  const auto options = quiet(
      {.epochs = 60, .batch_size = 10, .optimizer = pf::Adam({.learning_rate = 0.02}), .validation = std::tuple(x, y)});
  const auto history = pf::fit(by_parts, std::tuple(x, y), parts, options, a);
  pf::fit(by_tuple, std::tuple(x, y), tuple, options, b);
  CHECK(history.epochs.back().validation_loss < 1e-2);
  CHECK(by_parts.weight.to_vector() == by_tuple.weight.to_vector());
}

TEST_CASE("the same seed gives the same bits for any number of threads") {
  const int threads = pf::num_threads();
  const auto data = samples(20'000);
  const auto train = [&](int count) {
    pf::set_num_threads(count);
    pf::Rng rng(3);
    pf::Mlp<> model({2, 256, 256, 2}, rng);
    const auto reconstruct = [](const pf::Mlp<>& m, const pf::Tensor<>& x, pf::Rng& r) {
      return pf::mean(pf::square(m(x + 0.1f * pf::normal(x.shape(), r)) - x));
    };
    pf::fit(model, data, reconstruct, quiet({.epochs = 1, .batch_size = 1000, .clip_norm = 0.1}), rng);
    return model.layers[1].weight.to_vector();
  };
  const auto one = train(1);
  CHECK(train(2) == one);
  CHECK(train(3) == one);
  pf::set_num_threads(threads);
}

TEST_CASE("early stopping returns the model of the best epoch") {
  Gaussian model;
  pf::Rng rng(0);
  std::vector<std::vector<float>> means;
  // A learning rate that rises until it spoils what was learned.
  const auto spoil = [](pf::Index step) { return step < 300 ? 1.0 : 100.0; };
  const auto history =
      pf::fit(model, samples(1000), objective,
              quiet({.epochs = 100,
                     .batch_size = 100,
                     .optimizer = pf::Adam({.learning_rate = 0.01}),
                     .schedule = spoil,
                     .validation = samples(1000, 9),
                     .patience = 5,
                     .callbacks = {[&](const pf::EpochReport&) { means.push_back(model.mean.to_vector()); }}}),
              rng);
  CHECK(history.stopped_early);
  REQUIRE(history.epochs.size() < 100);
  REQUIRE(history.best_epoch + 5 == static_cast<pf::Index>(history.epochs.size()));
  const auto losses = history.validation_losses();
  CHECK(*std::min_element(losses.begin(), losses.end()) == losses[static_cast<std::size_t>(history.best_epoch - 1)]);
  CHECK(model.mean.to_vector() == means[static_cast<std::size_t>(history.best_epoch - 1)]);
  CHECK(model.mean.to_vector() != means.back());
}

TEST_CASE("with a moving average, validation, callbacks and the result are of the averaged model") {
  Gaussian model, raw;
  pf::Rng a(0), b(0);
  const auto data = samples(500);
  std::vector<float> seen;
  const auto see = [&](const pf::EpochReport&) { seen = model.mean.to_vector(); };
  const auto history =
      pf::fit(model, data, objective,
              quiet({.epochs = 2, .batch_size = 50, .ema_decay = 0.9, .validation = data, .callbacks = {see}}), a);
  CHECK(model.mean.to_vector() == seen);
  CHECK(history.epochs[1].validation_loss == Approx(model.negative_log_prob(data).item()).epsilon(1e-5));
  // By hand.
  pf::Adam adam;
  b.split(), b.split();
  pf::Ema ema(raw, {.decay = 0.9});
  for (int epoch = 0; epoch < 2; ++epoch)
    for (const auto& batch : pf::batches(data, 50, b)) {
      adam.step(raw, pf::gradient(objective(raw, batch), raw));
      ema.update(raw);
    }
  CHECK(ema.model().mean.to_vector() == seen);
  CHECK(raw.mean.to_vector() != seen);
}

TEST_CASE("spectral norms follow their weights, and are at most 1 in evaluation: of plain, averaged and best models") {
  for (const double ema_decay : {0.0, 0.9})
    for (const pf::Index patience : {0, 1}) {
      check_spectral_norms<double>(ema_decay, patience);
      check_spectral_norms<float>(ema_decay, patience);
    }
}

TEST_CASE("with spectral norms fit is this loop, and a training that is cut short settles them, too") {
  const auto x = samples(100);
  const auto loss = [](const pf::SpectralMlp<>& m, const pf::Tensor<>& batch) {
    return pf::mean(pf::square(m(batch) - 3 * batch));
  };
  pf::Rng a(4), b(4);
  pf::SpectralMlp<> fitted({2, 8, 2}, a), net({2, 8, 2}, b);
  pf::fit(fitted, x, loss, quiet({.epochs = 2, .batch_size = 20}), a);
  pf::Adam adam;
  b.split(), b.split();
  for (int epoch = 0; epoch < 2; ++epoch) {
    for (const auto& batch : pf::batches(x, 20, b)) {
      pf::update_spectral_norms(net);
      adam.step(net, pf::gradient(loss(net, batch), net));
    }
    pf::settle_spectral_norms(net);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(fitted.layers[i].layer.weight.to_vector() == net.layers[i].layer.weight.to_vector());
    CHECK(fitted.layers[i].direction.to_vector() == net.layers[i].direction.to_vector());
  }

  int batches = 0;
  const auto press = [&](const pf::SpectralMlp<>& m, const pf::Tensor<>& batch) {
    if (++batches == 7) std::raise(SIGINT);
    return loss(m, batch);
  };
  for (const double ema_decay : {0.0, 0.5}) {
    batches = 0;
    const auto history =
        pf::fit(fitted, x, press,
                quiet({.batch_size = 10, .optimizer = pf::Adam({.learning_rate = 0.3}), .ema_decay = ema_decay}), a);
    CHECK(history.interrupted);
    support::expect_spectral_norms_of_one(fitted);
  }
}

TEST_CASE("a callback can end the training") {
  Gaussian model;
  pf::Rng rng(0);
  const auto stop = [](const pf::EpochReport& report) {
    return report.epoch == 3 ? pf::Continue::no : pf::Continue::yes;
  };
  const auto history = pf::fit(model, samples(100), objective, quiet({.epochs = 10, .callbacks = {stop}}), rng);
  CHECK(history.epochs.size() == 3);
  CHECK(history.stopped_early);
}

TEST_CASE("Ctrl-C ends the training after the batch, and the handler from before is back") {
  static int heard = 0;
  struct sigaction own {
  }, before{}, after{};
  own.sa_handler = [](int) { ++heard; };
  sigaction(SIGINT, &own, &before);
  Gaussian model;
  pf::Rng rng(0);
  const auto press = [](const pf::EpochReport& report) {
    if (report.epoch == 2) std::raise(SIGINT);
  };
  const auto history = pf::fit(model, samples(100), objective, quiet({.epochs = 10, .callbacks = {press}}), rng);
  CHECK(history.interrupted);
  CHECK(history.epochs.size() == 2);
  CHECK(heard == 0);

  int batches = 0;
  const auto press_in_batch = [&](const Gaussian& m, const pf::Tensor<>& batch) {
    if (++batches == 3) std::raise(SIGINT);
    return m.negative_log_prob(batch);
  };
  const auto cut = pf::fit(model, samples(100), press_in_batch, quiet({.epochs = 10, .batch_size = 10}), rng);
  CHECK(cut.interrupted);
  CHECK(cut.epochs.empty());
  CHECK(batches == 3);
  CHECK_FALSE(model.mode.training);

  // The second Ctrl-C goes to the handler from before, and so do all if fit is told so.
  const auto press_twice = [](const pf::EpochReport&) { std::raise(SIGINT), std::raise(SIGINT); };
  pf::fit(model, samples(100), objective, quiet({.epochs = 10, .callbacks = {press_twice}}), rng);
  CHECK(heard == 1);
  pf::fit(model, samples(100), objective, quiet({.epochs = 2, .callbacks = {press}, .handle_interrupt = false}), rng);
  CHECK(heard == 2);
  sigaction(SIGINT, &before, &after);
  CHECK(after.sa_handler == own.sa_handler);
}

TEST_CASE("a loss that blows up leaves the model as it was before the step") {
  Gaussian model;
  pf::Rng rng(0);
  std::vector<float> before;
  int calls = 0;
  const auto blow_up = [&](const Gaussian& m, const pf::Tensor<>& batch) {
    before = m.mean.to_vector();
    return ++calls == 7 ? pf::sum(m.mean) * std::nanf("") : m.negative_log_prob(batch);
  };
  CHECK_THROWS_WITH(pf::fit(model, samples(100), blow_up, quiet({.batch_size = 25}), rng),
                    ContainsSubstring("epoch 2, batch 3") && ContainsSubstring("learning rate"));
  CHECK(model.mean.to_vector() == before);
  // A finite loss whose gradient is not: sqrt at zero.
  const auto infinite_slope = [&](const Gaussian& m, const pf::Tensor<>&) {
    return pf::sum(pf::sqrt(m.log_scale * m.log_scale * 0.0f));
  };
  CHECK_THROWS_WITH(pf::fit(model, samples(100), infinite_slope, quiet({}), rng),
                    ContainsSubstring("'log_scale' is not finite"));
  CHECK(model.mean.to_vector() == before);
}

TEST_CASE("fit refuses what cannot be trained") {
  Gaussian model;
  pf::Rng rng(0);
  const auto data = samples(10);
  CHECK_THROWS_AS(pf::fit(model, pf::Tensor<>::zeros({0, 2}), objective, {}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit(model, data, objective, {.batch_size = 0}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit(model, data, objective, {.epochs = -1}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit(model, data, objective, {.patience = 3}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit(model, data, objective, {.resume = true}, rng), pf::ValueError);
  CHECK_THROWS_AS(pf::fit(model, data, objective, {.validation = pf::Tensor<double>{1.0}}, rng), pf::ValueError);
  CHECK_THROWS_WITH(pf::fit(model, pf::Tensor<>({2, 2}, {0.0f, 0.0f, std::nanf(""), 0.0f}), objective, {}, rng),
                    ContainsSubstring("row 1"));
  const auto per_row = [](const Gaussian& m, const pf::Tensor<>& batch) { return pf::sum(batch - m.mean, 1); };
  CHECK_THROWS_AS(pf::fit(model, data, per_row, {}, rng), pf::ShapeError);
  std::tuple<> nothing;
  CHECK_THROWS_AS(pf::fit(
                      nothing, data, [](const auto&, const pf::Tensor<>& x) { return pf::sum(x); }, {}, rng),
                  pf::ValueError);
}

TEST_CASE("a model that starts from data is given a batch once") {
  struct Standardizer : Gaussian {
    int started = 0;
    void initialize(const pf::Tensor<>& batch) {
      ++started;
      mean = pf::mean(batch, 0);
    }
  } model;
  pf::Rng rng(0);
  const auto data = samples(64);
  pf::fit(model, data, objective, quiet({.epochs = 0, .batch_size = 64}), rng);
  CHECK(model.started == 1);
  CHECK(model.mean(0) == Approx(data.to_vector().empty() ? 0.0f : pf::mean(data, 0)(0)).epsilon(1e-5));
}

TEST_CASE("the history is written as a table and as lines of JSON") {
  pf::History history;
  history.epochs.push_back(
      {.epoch = 1, .epochs = 2, .steps = 10, .train_loss = 0.5, .learning_rate = 0.1, .seconds = 2});
  history.epochs.push_back({.epoch = 2,
                            .epochs = 2,
                            .steps = 20,
                            .train_loss = 0.25,
                            .validation_loss = 1.5,
                            .learning_rate = 0.125,
                            .seconds = 2});
  const auto csv = temporary("history.csv"), jsonl = temporary("history.jsonl");
  history.save_csv(csv);
  history.save_jsonl(jsonl);
  CHECK(content(csv) ==
        "epoch,steps,train_loss,validation_loss,learning_rate,seconds\n1,10,0.5,,0.10000000000000001,2\n2,20,0.25,1.5,"
        "0.125,2\n");
  CHECK_THAT(content(jsonl),
             ContainsSubstring("{\"epoch\": 1, \"steps\": 10, \"train_loss\": 0.5, \"validation_loss\": null, "));
  CHECK_THAT(content(jsonl),
             ContainsSubstring("\"validation_loss\": 1.5, \"learning_rate\": 0.125, \"seconds\": 2}\n"));
  std::remove(csv.c_str());
  std::remove(jsonl.c_str());
}

TEST_CASE("progress goes to stderr as lines or as a bar") {
  const auto path = temporary("progress.txt");
  const auto captured = [&](pf::Progress progress) {
    std::fflush(stderr);
    const int terminal = dup(2);
    std::FILE* file = std::fopen(path.c_str(), "w");
    dup2(fileno(file), 2);
    Gaussian model;
    pf::Rng rng(0);
    pf::fit(model, samples(100), objective,
            {.epochs = 2, .batch_size = 10, .validation = samples(10), .progress = progress}, rng);
    std::fflush(stderr);
    dup2(terminal, 2);
    close(terminal);
    std::fclose(file);
    return content(path);
  };
  CHECK(captured(pf::Progress::off).empty());
  const auto lines = captured(pf::Progress::automatic), bar = captured(pf::Progress::bar);
  CHECK_THAT(lines,
             ContainsSubstring("epoch 2/2  loss ") && ContainsSubstring("validation") && ContainsSubstring("items/s"));
  CHECK(lines.find('\r') == std::string::npos);
  CHECK_THAT(bar, ContainsSubstring("\repoch 1/2 [") && ContainsSubstring("ETA"));
  CHECK(bar.back() == '\n');
  std::remove(path.c_str());
}

TEST_CASE("a steady training allocates nothing from the system") {
  pf::Rng rng(0);
  pf::Mlp<> model({2, 64, 64, 2}, rng);
  const auto reconstruct = [](const pf::Mlp<>& m, const pf::Tensor<>& x) { return pf::mean(pf::square(m(x) - x)); };
  std::vector<std::uint64_t> allocations;
  const auto count = [&](const pf::EpochReport&) { allocations.push_back(pf::memory_stats().system_allocations); };
  pf::fit(model, samples(1000), reconstruct,
          quiet({.epochs = 6,
                 .batch_size = 50,
                 .clip_norm = 0.01,
                 .ema_decay = 0.9,
                 .validation = samples(200),
                 .callbacks = {count}}),
          rng);
  CHECK(allocations[2] == allocations[5]);
}
