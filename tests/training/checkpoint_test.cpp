// Saved models and trainings: what comes back is what was there, to the bit.
#include <cmath>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include <unistd.h>

#include <pushforward/nn/linear.hpp>
#include <pushforward/nn/spectral_norm.hpp>
#include <pushforward/ops/reductions.hpp>
#include <pushforward/training.hpp>

#include "support/catch.hpp"

namespace pf = pushforward;
using Catch::Matchers::ContainsSubstring;

namespace {

struct TemporaryFile {
  std::string path;
  explicit TemporaryFile(const std::string& name)
      : path("/tmp/pushforward_checkpoint_test_" + std::to_string(getpid()) + "_" + name + ".safetensors") {}
  ~TemporaryFile() { std::remove(path.c_str()); }
};

// A network with buffers that training changes, and parameters of both precisions.
struct Network {
  pf::Mlp<> mlp;
  pf::Parameter<double> fine;
  pf::Buffer<> mean;
  pf::Buffer<pf::Index> order;
  pf::SpectralNorm<> smooth;

  explicit Network(std::uint64_t seed, pf::Index hidden = 16) {
    pf::Rng rng(seed);
    mlp = pf::Mlp<>({2, hidden, 2}, rng, {.activation = pf::Activation::tanh});
    fine = pf::normal<double>({3}, rng);
    mean = pf::normal({2}, rng);
    order = pf::permutation(5, rng);
    smooth = pf::SpectralNorm(pf::Linear<>(2, 2, rng), rng);
  }
  static void members(auto& self, auto&& visit) {
    visit("mlp", self.mlp);
    visit("fine", self.fine);
    visit("mean", self.mean);
    visit("order", self.order);
    visit("smooth", self.smooth);
  }
};

bool same(const Network& a, const Network& b) {
  const auto x = pf::named_tensors(a), y = pf::named_tensors(b);
  REQUIRE(x.size() == y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    REQUIRE(x[i].name == y[i].name);
    const bool equal = std::visit(
        [&](const auto& t) { return t.to_vector() == std::get<std::decay_t<decltype(t)>>(y[i].value).to_vector(); },
        x[i].value);
    if (!equal) return false;
  }
  return true;
}

// A noisy objective, so that the generator's position counts, with a buffer that follows the data.
const auto objective = [](Network& model, const pf::Tensor<>& batch, pf::Rng& rng) {
  model.mean = model.mean * 0.9f + pf::mean(batch, 0) * 0.1f;
  return pf::mean(pf::square(model.smooth(model.mlp(batch + 0.1f * pf::normal(batch.shape(), rng))) - batch));
};

pf::Tensor<> samples(pf::Index n, std::uint64_t seed) {
  pf::Rng rng(seed);
  return pf::normal({n, 2}, rng);
}

}  // namespace

TEST_CASE("a saved model comes back to the bit") {
  const TemporaryFile file("model");
  const Network saved(1);
  Network loaded(2);
  REQUIRE_FALSE(same(saved, loaded));
  pf::save(saved, file.path, {{"note", "as trained"}});
  pf::load(loaded, file.path);
  CHECK(same(saved, loaded));
  const auto content = pf::load_safetensors(file.path);
  CHECK(content.find("mlp.layers.1.weight") != nullptr);
  CHECK(content.metadata.at("note") == "as trained");
}

TEST_CASE("a file that does not fit is refused with what differs, and the model stays as it was") {
  const TemporaryFile file("misfit");
  const Network narrow(1, 16);
  Network wide(2, 17), before = wide;
  pf::save(narrow, file.path);
  CHECK_THROWS_AS(pf::load(wide, file.path), pf::ValueError);
  CHECK_THROWS_WITH(pf::load(wide, file.path),
                    ContainsSubstring("mlp.layers.0.weight (got F32[16, 2], expected F32[17, 2])"));
  pf::Rng rng(0);
  pf::Linear<> linear(2, 2, rng);
  CHECK_THROWS_WITH(pf::load(linear, file.path),
                    ContainsSubstring("missing: weight, bias") && ContainsSubstring("unexpected: fine"));
  pf::Linear<double> twice(2, 2, rng);
  pf::save(linear, file.path);
  CHECK_THROWS_WITH(pf::load(twice, file.path), ContainsSubstring("got F32[2, 2], expected F64[2, 2]"));
  CHECK(same(wide, before));
  CHECK_THROWS_AS(pf::load(wide, file.path + ".missing"), pf::IoError);
  CHECK_THROWS_AS(pf::save(wide, "/proc/no/such/place.safetensors"), pf::IoError);
}

TEST_CASE("a loop of one's own resumes with the same bits, for every optimizer and both precisions") {
  const TemporaryFile file("loop");
  const auto data = samples(64, 3);
  const auto train = [&](Network& model, auto& optimizer, pf::Rng& rng, int epochs) {
    for (int epoch = 0; epoch < epochs; ++epoch)
      for (const auto& batch : pf::batches(data, 16, rng)) {
        const auto loss = objective(model, batch, rng);
        optimizer.step(model, pf::gradient(loss, model));
        const auto fine_loss = pf::sum(pf::square(model.fine) + pf::exp(model.fine));
        optimizer.step(model, pf::gradient(fine_loss, model));
      }
  };
  const auto check = [&](auto optimizer) {
    Network whole(1);
    pf::Rng rng(0xfedcba9876543210ull);
    auto straight = optimizer;
    train(whole, straight, rng, 5);

    Network first(1), second(9);
    pf::Rng early(0xfedcba9876543210ull), late(1);
    auto half = optimizer;
    train(first, half, early, 2);
    half.set_learning_rate(half.learning_rate());
    pf::save_training_state(file.path, first, half, early, 2);
    auto rest = optimizer;
    rest.set_learning_rate(0.5);
    const auto progress = pf::load_training_state(file.path, second, rest, late);
    CHECK(progress.epoch == 2);
    CHECK(rest.learning_rate() == optimizer.learning_rate());
    train(second, rest, late, 3);
    CHECK(same(whole, second));
    CHECK(late.state() == rng.state());
    CHECK(rest.steps() == straight.steps());
  };
  check(pf::Sgd({.learning_rate = 0.01, .momentum = 0.9}));
  check(pf::RmsProp({.momentum = 0.5}));
  check(pf::Adam({.learning_rate = 0.1 / 3}));
  check(pf::AdamW());
  check(pf::Lion());
  check(pf::Optimizer(pf::Adam()));

  Network model(1), before = model;
  pf::Rng rng(0);
  pf::Lion lion;
  CHECK_THROWS_AS(pf::load_training_state(file.path, model, lion, rng), pf::ValueError);
  Network wide(1, 20);
  pf::Adam adam;
  CHECK_THROWS_AS(pf::load_training_state(file.path, wide, adam, rng), pf::ValueError);
  CHECK(adam.steps() == 0);
  pf::save(model, file.path);
  CHECK_THROWS_AS(pf::load_training_state(file.path, model, adam, rng), pf::IoError);
  CHECK(same(model, before));
}

TEST_CASE("a fit that was interrupted and resumed ends with the bits of one that was not") {
  const auto data = samples(100, 3), held_out = samples(50, 4);
  const auto options = [&](pf::Index epochs, const std::string& checkpoint, pf::Callback callback) {
    pf::FitOptions o;
    o.epochs = epochs;
    o.batch_size = 16;
    o.optimizer = pf::AdamW({.learning_rate = 0.02});
    o.schedule = [](pf::Index step) { return 1.0 / (1.0 + 0.05 * static_cast<double>(step)); };
    o.clip_norm = 0.5;
    o.validation = held_out;
    o.patience = 3;
    o.progress = pf::Progress::off;
    o.checkpoint = checkpoint;
    o.resume = !checkpoint.empty();
    o.callbacks = {std::move(callback)};
    return o;
  };
  const pf::Callback nothing = [](const pf::EpochReport&) {};
  for (double ema_decay : {0.0, 0.8}) {
    const TemporaryFile file("fit");
    const auto with_average = [&](pf::FitOptions o) {
      o.ema_decay = ema_decay;
      return o;
    };
    Network whole(1);
    pf::Rng rng(11);
    const auto expected = pf::fit(whole, data, objective, with_average(options(12, "", nothing)), rng);

    pf::Index runs = 0;
    Network resumed(1);
    pf::Rng random(11);
    pf::History history;
    do {  // every run is interrupted after two epochs
      const auto stop = [&, start = runs * 2](const pf::EpochReport& report) {
        if (report.epoch >= start + 2) std::raise(SIGINT);
      };
      resumed = Network(100 + static_cast<std::uint64_t>(runs));  // nothing may depend on what the program starts with
      if (runs == 0) resumed = Network(1);
      pf::Rng other(500);
      history =
          pf::fit(resumed, data, objective, with_average(options(12, file.path, stop)), runs == 0 ? random : other);
      if (runs > 0) random = other;
    } while (++runs < 20 && history.interrupted);

    CHECK(runs >= 2);
    CHECK(same(whole, resumed));
    CHECK(random.state() == rng.state());
    CHECK(history.train_losses() == expected.train_losses());
    CHECK(history.validation_losses() == expected.validation_losses());
    CHECK(history.best_epoch == expected.best_epoch);
    CHECK(history.stopped_early == expected.stopped_early);

    Network plain(7);
    pf::load(plain, file.path);  // a checkpoint holds the model that fit would return
    CHECK(same(plain, resumed));
  }
}
