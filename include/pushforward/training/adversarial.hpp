// fit_adversarial(): the training of a generator against a critic.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <pushforward/objectives/adversarial.hpp>
#include <pushforward/training/fit.hpp>

namespace pushforward {

/// What is known at the end of an epoch of fit_adversarial.
struct AdversarialReport {
  Index epoch = 0;         ///< from 1
  Index epochs = 0;        ///< how many there will be at most
  Index critic_steps = 0;  ///< since the training began
  Index steps = 0;         ///< of the generator, since the training began
  double critic_loss = 0;  ///< mean over the critic's steps of the epoch, while they were made
  double generator_loss = std::numeric_limits<double>::quiet_NaN();  ///< likewise; NaN if it made no step
  double seconds = 0;                                                ///< the epoch took
};

/// The epochs of an adversarial training, and how it ended.
struct AdversarialHistory {
  std::vector<AdversarialReport> epochs;
  bool stopped_early = false;  ///< by a callback
  bool interrupted = false;    ///< by Ctrl-C

  std::vector<double> critic_losses() const { return column(&AdversarialReport::critic_loss); }
  std::vector<double> generator_losses() const { return column(&AdversarialReport::generator_loss); }

 private:
  std::vector<double> column(double AdversarialReport::*field) const {
    std::vector<double> values;
    for (const AdversarialReport& e : epochs) values.push_back(e.*field);
    return values;
  }
};

class AdversarialCallback;

namespace detail {

template <class F>
concept AdversarialCallbackFunction =
    !std::is_same_v<F, AdversarialCallback> && std::is_invocable_v<F&, const AdversarialReport&>;

}  // namespace detail

/// What fit_adversarial() calls after each epoch: any callable (const AdversarialReport&) that returns nothing, or
/// whether to go on.
class AdversarialCallback {
 public:
  template <detail::AdversarialCallbackFunction F>
  AdversarialCallback(F call) {  // implicit: .callbacks = {[](const AdversarialReport& report) { ... }}
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const AdversarialReport&>>)
      call_ = [f = std::move(call)](const AdversarialReport& report) mutable {
        f(report);
        return Continue::yes;
      };
    else
      call_ = std::move(call);
  }
  Continue operator()(const AdversarialReport& report) const { return call_(report); }

 private:
  std::function<Continue(const AdversarialReport&)> call_;
};

/// How fit_adversarial() trains.
struct AdversarialFitOptions {
  Index epochs = 10;       ///< passes over the data; each batch serves one step of the critic
  Index batch_size = 128;  ///< real rows in a step, and as many fake ones
  Index critic_steps = 1;  ///< for each step of the generator
  Optimizer generator_optimizer = Adam({.learning_rate = 2e-4, .beta1 = 0.5});
  Optimizer critic_optimizer = Adam({.learning_rate = 2e-4, .beta1 = 0.5});
  Schedule schedule = {};  ///< factor of both learning rates at each step of the critic
  double ema_decay = 0;    ///< returns a moving average of the generator's parameters; 0 for none
  std::vector<AdversarialCallback> callbacks = {};
  Progress progress = Progress::automatic;
  bool handle_interrupt = true;  ///< Ctrl-C ends the training after the batch, instead of the program
};

namespace detail {

// Two modules of one type in each other's place.
template <class M>
class Exchanged {
 public:
  Exchanged(M& a, M& b) : a_(a), b_(b) { std::swap(a_, b_); }
  Exchanged(const Exchanged&) = delete;
  Exchanged& operator=(const Exchanged&) = delete;
  ~Exchanged() { std::swap(a_, b_); }

 private:
  M &a_, &b_;
};

// One run of fit_adversarial().
template <class G, class C, class S, class Data, class Loss>
class AdversarialTraining {
 public:
  AdversarialTraining(G& generator, C& critic, const Data& data, const Loss& loss, const AdversarialFitOptions& options,
                      Rng& rng)
      : generator_(generator),
        critic_(critic),
        data_(data),
        loss_(loss),
        options_(options),
        rng_(rng),
        generator_optimizer_(options.generator_optimizer),
        critic_optimizer_(options.critic_optimizer),
        interrupt_(options.handle_interrupt) {
    check();
    total_steps_ = options.epochs * ((rows_of(data) + options.batch_size - 1) / options.batch_size);
    if (options.ema_decay > 0) average_.emplace(generator, EmaOptions{.decay = options.ema_decay});
  }

  AdversarialHistory run() {
    try {
      ProgressPrinter progress(options_.progress, 0, options_.epochs, rows_of(data_));
      while (completed() < options_.epochs && !history_.stopped_early && !history_.interrupted) train_epoch(progress);
    } catch (...) {
      evaluate(generator_), evaluate(critic_);
      throw;
    }
    if (average_) std::swap(generator_, average_->model());
    evaluate(generator_), evaluate(critic_);
    return std::move(history_);
  }

 private:
  Index completed() const { return static_cast<Index>(history_.epochs.size()); }

  static const Tensor<S>& rows(const Tensor<S>& data) { return data; }
  template <class W>
  static const Tensor<S>& rows(const std::tuple<Tensor<S>, Tensor<W>>& data) {
    return std::get<0>(data);
  }

  void check() const {
    const auto positive = [](const char* name, Index value) {
      if (value < 1) fail<ValueError>("fit_adversarial: ", name, " is ", value, ", expected a positive number");
    };
    positive("batch_size", options_.batch_size);
    positive("critic_steps", options_.critic_steps);
    if (options_.epochs < 0) fail<ValueError>("fit_adversarial: epochs is ", options_.epochs, ", expected 0 or more");
    const Tensor<S>& x = rows(data_);
    if (x.rank() < 2) fail<ShapeError>("fit_adversarial: the data has shape ", x.shape(), ", expected [n, ..]");
    if (rows_of(data_) == 0) fail<ValueError>("fit_adversarial: the data has no rows");
    check_data(data_);
    if (count_parameters(generator_) == 0 || count_parameters(critic_) == 0)
      fail<ValueError>("fit_adversarial: the ", count_parameters(generator_) == 0 ? "generator" : "critic",
                       " has no parameters, so there is nothing to train; check that its `members` names them all");
  }

  void train_epoch(ProgressPrinter& progress) {
    const Stopwatch clock;
    train(generator_), train(critic_);
    const auto pieces = batches(data_, options_.batch_size, rng_);
    double critic_sum = 0, generator_sum = 0;
    const Index steps_before = steps_;
    for (Index i = 0; i < pieces.size(); ++i) {
      critic_sum += train_batch(weighted_batch(pieces[i]), i, generator_sum);
      const Index done = std::min((i + 1) * options_.batch_size, rows_of(data_));
      progress.batch(completed() + 1, done, critic_sum / static_cast<double>(i + 1));
      if (i + 1 < pieces.size() && interrupt_.interrupted()) return settle_all(), void(history_.interrupted = true);
    }
    AdversarialReport report{completed() + 1, options_.epochs, critic_steps_, steps_,
                             critic_sum / static_cast<double>(pieces.size())};
    if (steps_ > steps_before) report.generator_loss = generator_sum / static_cast<double>(steps_ - steps_before);
    report.seconds = clock.seconds();
    history_.epochs.push_back(report);
    finish_epoch(progress, report);
  }

  // One step of the critic, whose loss is returned, and one of the generator if its turn has come.
  double train_batch(const WeightedBatch<S>& batch, Index number, double& generator_sum) {
    const Tensor<S>& real = batch.x;
    const double factor = options_.schedule(critic_steps_, total_steps_);
    critic_optimizer_.set_learning_rate(options_.critic_optimizer.learning_rate() * factor);
    generator_optimizer_.set_learning_rate(options_.generator_optimizer.learning_rate() * factor);
    update_spectral_norms(critic_);
    const Tensor<S> fake = generator_.sample(real.size(0), rng_);
    const double value = step(critic_, critic_optimizer_, "critic", number, [&] { return critic_loss(batch, fake); });
    if (++critic_steps_ % options_.critic_steps) return value;
    update_spectral_norms(generator_);
    generator_sum += step(generator_, generator_optimizer_, "generator", number,
                          [&] { return generator_loss(generator_.rsample(real.size(0), rng_)); });
    ++steps_;
    if (average_) average_->update(generator_);
    return value;
  }
  Tensor<S> critic_loss(const WeightedBatch<S>& batch, const Tensor<S>& fake) {
    if constexpr (std::is_same_v<Data, Tensor<S>>)
      return loss_.critic_loss(critic_, batch.x, fake, rng_);
    else
      return loss_.critic_loss(critic_, batch.x, fake, rng_, batch.over);
  }
  Tensor<S> generator_loss(const Tensor<S>& fake) {
    if constexpr (requires { loss_.generator_loss(critic_, fake, rng_); })
      return loss_.generator_loss(critic_, fake, rng_);
    else
      return loss_.generator_loss(critic_, fake);
  }

  template <class M, class Evaluate>
  double step(M& model, Optimizer& optimizer, const char* who, Index number, const Evaluate& evaluate_loss) {
    Tensor<S> loss = evaluate_loss();
    if (loss.size() != 1)
      fail<ShapeError>("fit_adversarial: the ", who, "'s loss has shape ", loss.shape(),
                       ", expected one number; take the mean over the batch");
    const auto value = static_cast<double>(loss.item());
    if (!std::isfinite(value))
      blown_up(who, number, concatenate("the loss is ", value, "; lower the learning rates or raise the penalty"));
    const auto gradients = gradient(loss, model);
    loss = {};  // the graph holds the old parameters: without it they can be changed in place
    try {
      optimizer.step(model, gradients);
    } catch (const ValueError& error) {
      blown_up(who, number, error.what());
    }
    return value;
  }
  [[noreturn]] void blown_up(const char* who, Index number, const std::string& what) const {
    fail<ValueError>("fit_adversarial: in epoch ", completed() + 1, ", batch ", number + 1, ", the ", who, ": ", what,
                     ". Its parameters are as they were before this step");
  }

  void finish_epoch(ProgressPrinter& progress, const AdversarialReport& report) {
    progress.epoch({.epoch = report.epoch, .epochs = report.epochs, .train_loss = report.critic_loss});
    settle_all();
    std::optional<Exchanged<G>> averaged;
    if (average_) averaged.emplace(generator_, average_->model());
    for (const AdversarialCallback& callback : options_.callbacks)
      if (callback(report) == Continue::no) history_.stopped_early = true;
    history_.interrupted |= interrupt_.interrupted();
  }

  void settle_all() {
    settle(generator_), settle(critic_);
    if (average_) settle_spectral_norms(average_->model());
  }

  G& generator_;
  C& critic_;
  const Data& data_;
  const Loss& loss_;
  const AdversarialFitOptions& options_;
  Rng& rng_;
  Optimizer generator_optimizer_, critic_optimizer_;
  InterruptGuard interrupt_;
  Index total_steps_ = 0, critic_steps_ = 0, steps_ = 0;
  AdversarialHistory history_;
  std::optional<Ema<G>> average_;
};

template <class S, class G, class C, class Data, class Loss>
AdversarialHistory train_adversaries(G& generator, C& critic, const Data& data, const Loss& loss,
                                     const AdversarialFitOptions& options, Rng& rng) {
  static_assert(
      requires(const G& g, Index n) { Tensor<S>(g.sample(n, rng)), Tensor<S>(g.rsample(n, rng)); },
      "pushforward: fit_adversarial draws with generator.sample(n, rng) and generator.rsample(n, rng); put a "
      "plain network into a Gan: Gan gan(network, latent).");
  static_assert(AdversarialLoss<Loss, C, S>,
                "pushforward: the loss of fit_adversarial has critic_loss(critic, real, fake, rng) and "
                "generator_loss(critic, fake), each a tensor of one number, as NonSaturating{}, WassersteinGp{} and "
                "Hinge{} have.");
  return AdversarialTraining<G, C, S, Data, Loss>(generator, critic, data, loss, options, rng).run();
}

}  // namespace detail

/// Trains `generator` to draw what looks to `critic` like the rows of `data` [n, ..], and the critic to tell them
/// apart; changes both, and returns the losses epoch by epoch.
///
///   Gan gan(Mlp({2, 128, 128, 2}, rng), 2);
///   Mlp critic({2, 128, 128, 1}, rng);
///   fit_adversarial(gan, critic, moons, WassersteinGp{}, {.epochs = 40, .critic_steps = 5}, rng);
///
/// The generator is anything with `sample(n, rng)` and a differentiable `rsample(n, rng)`: a Gan, a flow. Each batch
/// serves one step of the critic against as many fresh draws; after every `critic_steps` of them the generator makes
/// one. Both are in training mode meanwhile and in evaluation mode afterwards; SpectralNorm layers follow their
/// weights at each step, and are settled after each epoch. Callbacks see the averaged generator where there is one.
/// Ctrl-C ends the training after the batch.
///
/// The data may be a tuple of rows and weights [n], `std::tuple(x, w)`: the critic's means over real rows become
/// sum w v / sum w, and rows of weight 0 are left out.
///
/// Throws ValueError for data without rows or with NaN, a module without parameters, options out of range, and when a
/// loss or a gradient is not finite; ShapeError where shapes do not fit.
template <class G, class C, class S, class Loss>
AdversarialHistory fit_adversarial(G& generator, C& critic, const Tensor<S>& data, const Loss& loss,
                                   const AdversarialFitOptions& options, Rng& rng) {
  return detail::train_adversaries<S>(generator, critic, data, loss, options, rng);
}
template <class G, class C, class S, std::floating_point W, class Loss>
AdversarialHistory fit_adversarial(G& generator, C& critic, const std::tuple<Tensor<S>, Tensor<W>>& data,
                                   const Loss& loss, const AdversarialFitOptions& options, Rng& rng) {
  static_assert(
      requires(const Tensor<S>& x) { loss.critic_loss(critic, x, x, rng, ExampleMean()); },
      "pushforward: data with weights asks for a loss with critic_loss(critic, real, fake, rng, over), which takes "
      "over(v) in the place of mean(v) for values v [n] of real rows.");
  return detail::train_adversaries<S>(generator, critic, data, loss, options, rng);
}

}  // namespace pushforward
