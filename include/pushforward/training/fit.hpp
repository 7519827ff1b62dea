// fit(): the training loop.
#pragma once

#include <any>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include <pushforward/nn/spectral_norm.hpp>
#include <pushforward/training/adam.hpp>
#include <pushforward/training/batches.hpp>
#include <pushforward/training/checkpoint.hpp>
#include <pushforward/training/clip.hpp>
#include <pushforward/training/ema.hpp>
#include <pushforward/training/history.hpp>
#include <pushforward/training/interrupt.hpp>
#include <pushforward/training/optimizer.hpp>
#include <pushforward/training/progress.hpp>
#include <pushforward/training/schedules.hpp>

namespace pushforward {

/// What a callback asks for.
enum class Continue { yes, no };

class Callback;

namespace detail {

template <class F>
concept CallbackFunction = !std::is_same_v<F, Callback> && std::is_invocable_v<F&, const EpochReport&>;

}  // namespace detail

/// What fit() calls after each epoch: any callable (const EpochReport&) that returns nothing, or whether to go on.
class Callback {
 public:
  template <detail::CallbackFunction F>
  Callback(F call) {  // implicit: .callbacks = {[](const EpochReport& report) { ... }}
    if constexpr (std::is_void_v<std::invoke_result_t<F&, const EpochReport&>>)
      call_ = [f = std::move(call)](const EpochReport& report) mutable {
        f(report);
        return Continue::yes;
      };
    else
      call_ = std::move(call);
  }
  Continue operator()(const EpochReport& report) const { return call_(report); }

 private:
  std::function<Continue(const EpochReport&)> call_;
};

/// How fit() trains.
struct FitOptions {
  Index epochs = 10;
  Index batch_size = 128;
  Optimizer optimizer = Adam();
  Schedule schedule = {};    ///< factor of the optimizer's learning rate at each step
  double clip_norm = 0;      ///< limit of the gradients' global norm; 0 for none
  double ema_decay = 0;      ///< validates and returns a moving average of the parameters; 0 for none
  std::any validation = {};  ///< held-out data of the same type as the training data; empty for none
  Index patience = 0;  ///< stops after so many epochs without a better validation loss, with the best model; 0: never
  double min_improvement = 0;  ///< what counts as better
  bool shuffle = true;
  bool drop_last = false;  ///< leaves out a last batch that is smaller than the others
  std::vector<Callback> callbacks = {};
  Progress progress = Progress::automatic;
  std::string checkpoint = {};   ///< file to save to after each epoch; empty for none
  bool resume = false;           ///< goes on from `checkpoint` where that exists, with the same bits
  bool handle_interrupt = true;  ///< Ctrl-C ends the training after the batch, instead of the program
};

namespace detail {

template <class S>
void check_data(const Tensor<S>& data) {
  if constexpr (std::is_floating_point_v<S>) {
    const Index width = std::max<Index>(1, data.shape().product(1, data.rank()));
    for (Index begin = 0; begin < data.size(); begin += 65536) {
      const Index n = std::min<Index>(65536, data.size() - begin);
      if (!any_non_finite(data.data() + begin, n)) continue;
      for (Index i = begin; i < begin + n; ++i)
        if (!std::isfinite(data.data()[i]))
          fail<ValueError>("fit: the data holds ", data.data()[i], " in row ", i / width, "; clean it before training");
    }
  }
}
template <class... T>
void check_data(const std::tuple<T...>& data) {
  std::apply([](const auto&... part) { (check_data(part), ...); }, data);
}
template <class A, class B>
void check_data(const std::pair<A, B>& data) {
  check_data(data.first), check_data(data.second);
}

template <class Data>
inline constexpr bool has_parts = !requires {
  typename Data::Scalar;
};

// The objective at a step, for one that changes in training.
template <class Objective>
decltype(auto) objective_at(const Objective& objective, Index step, Index total) {
  if constexpr (requires { objective.at(step, total); })
    return objective.at(step, total);
  else
    return (objective);
}

// objective(model, batch, rng), or without rng, or with the parts of the batch one by one.
template <class M, class Data, class Objective>
auto call_objective(const Objective& objective, M& model, const Data& batch, Rng& rng) {
  if constexpr (std::is_invocable_v<const Objective&, M&, const Data&, Rng&>) {
    return objective(model, batch, rng);
  } else if constexpr (std::is_invocable_v<const Objective&, M&, const Data&>) {
    return objective(model, batch);
  } else if constexpr (has_parts<Data>) {
    return std::apply(
        [&](const auto&... part) {
          if constexpr (std::is_invocable_v<const Objective&, M&, decltype(part)..., Rng&>)
            return objective(model, part..., rng);
          else
            return objective(model, part...);
        },
        batch);
  } else {
    static_assert(always_false<Data>,
                  "pushforward: the objective must be callable as objective(model, batch) or "
                  "objective(model, batch, rng), where batch has the type of the data.");
  }
}

// Evaluation mode, with singular vectors that are those of the weights as they are now.
template <class M>
void settle(M& model) {
  evaluate(model);
  settle_spectral_norms(model);
}

inline bool file_exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

// One run of fit().
template <class M, class Data, class Objective>
class Training {
 public:
  Training(M& model, const Data& data, const Objective& objective, const FitOptions& options, Rng& rng)
      : model_(model),
        data_(data),
        objective_(objective),
        options_(options),
        rng_(rng),
        optimizer_(options.optimizer),
        base_rate_(options.optimizer.learning_rate()),
        interrupt_(options.handle_interrupt) {
    check();
    rows_ = options.drop_last ? rows_of(data) / options.batch_size * options.batch_size : rows_of(data);
    total_steps_ = options.epochs * ((rows_ + options.batch_size - 1) / options.batch_size);
    if (options.resume && file_exists(options.checkpoint))
      resume();
    else
      start();
  }

  History run() {
    try {
      loop();
    } catch (...) {
      evaluate(model_);
      throw;
    }
    assign_tensors(model_, result(), "fit");
    evaluate(model_);
    return std::move(history_);
  }

 private:
  // The number of epochs completed.
  Index completed() const { return static_cast<Index>(history_.epochs.size()); }

  void loop() {
    ProgressPrinter progress(options_.progress, completed(), options_.epochs, rows_);
    while (completed() < options_.epochs && !history_.stopped_early && !history_.interrupted) {
      if (!train_epoch(progress)) return settle_all(), void(history_.interrupted = true);
      finish_epoch(progress);
      if (!options_.checkpoint.empty()) save_state();
    }
  }

  void check() {
    if (rows_of(data_) == 0) fail<ValueError>("fit: the data has no rows");
    if (options_.batch_size <= 0)
      fail<ValueError>("fit: batch_size is ", options_.batch_size, ", expected a positive number");
    if (options_.epochs < 0) fail<ValueError>("fit: epochs is ", options_.epochs, ", expected 0 or more");
    if (options_.clip_norm < 0)
      fail<ValueError>("fit: clip_norm is ", options_.clip_norm, ", expected 0 (off) or more");
    if (count_parameters(model_) == 0)
      fail<ValueError>(
          "fit: the model has no parameters, so there is nothing to train; check that its `members` names them all");
    if (options_.resume && options_.checkpoint.empty())
      fail<ValueError>("fit: resume needs the file to resume from; set .checkpoint");
    if (options_.validation.has_value() && !validation())
      fail<ValueError>(
          "fit: the validation data has another type than the training data; expected the same tensors or tuples");
    if (options_.patience > 0 && !validation())
      fail<ValueError>("fit: patience needs validation data; set .validation");
    check_data(data_);
    if (validation()) {
      if (rows_of(*validation()) == 0) fail<ValueError>("fit: the validation data has no rows");
      check_data(*validation());
    }
  }
  const Data* validation() const { return std::any_cast<Data>(&options_.validation); }

  void start() {
    validation_random_ = rng_.split().state();
    Rng random = rng_.split();
    initialize((*batches(data_, options_.batch_size, random, {.shuffle = options_.shuffle}).begin()), random);
    if (options_.ema_decay > 0) average_.emplace(model_, ema_options());
  }
  EmaOptions ema_options() const { return {.decay = options_.ema_decay}; }

  // For models whose parameters start from data.
  template <class Batch>
  void initialize(const Batch& batch, Rng& random) {
    if constexpr (requires { model_.initialize(batch, random); })
      model_.initialize(batch, random);
    else if constexpr (requires { model_.initialize(batch); })
      model_.initialize(batch);
    else if constexpr (has_parts<Batch>)
      initialize(std::get<0>(batch), random);
  }

  // False if it was interrupted.
  bool train_epoch(ProgressPrinter& progress) {
    const Stopwatch clock;
    train(model_);
    const auto pieces =
        batches(data_, options_.batch_size, rng_, {.drop_last = options_.drop_last, .shuffle = options_.shuffle});
    double sum = 0;
    Index done = 0;
    for (Index i = 0; i < pieces.size(); ++i) {
      const Data batch = pieces[i];
      const Index rows = rows_of(batch);
      sum += train_batch(batch, i) * static_cast<double>(rows);
      done += rows;
      progress.batch(completed() + 1, done, sum / static_cast<double>(done));
      if (i + 1 < pieces.size() && interrupt_.interrupted()) return false;
    }
    EpochReport report;
    report.epoch = completed() + 1;
    report.epochs = options_.epochs;
    report.steps = steps_;
    report.train_loss = sum / static_cast<double>(done);
    report.learning_rate = optimizer_.learning_rate();
    report.seconds = clock.seconds();
    history_.epochs.push_back(report);
    return true;
  }

  double train_batch(const Data& batch, Index number) {
    update_spectral_norms(model_);
    optimizer_.set_learning_rate(base_rate_ * options_.schedule(steps_, total_steps_));
    auto loss = call_objective(objective_at(objective_, steps_, total_steps_), model_, batch, rng_);
    if (loss.size() != 1)
      fail<ShapeError>("fit: the objective returned shape ", loss.shape(),
                       ", expected one number; take the mean over the batch");
    const auto value = static_cast<double>(loss.item());
    if (!std::isfinite(value))
      blown_up(
          concatenate("the loss is ", value,
                      "; lower the learning rate, set .clip_norm = 1, or find where the number was born with NanCheck"),
          number);
    auto gradients = gradient(loss, model_);
    loss = {};  // the graph holds the old parameters: without it they can be changed in place
    if (options_.clip_norm > 0) gradients = clip_by_norm(gradients, options_.clip_norm).gradients;
    try {
      optimizer_.step(model_, gradients);
    } catch (const ValueError& error) {
      blown_up(error.what(), number);
    }
    if (average_) average_->update(model_);
    ++steps_;
    return value;
  }
  [[noreturn]] void blown_up(const std::string& what, Index batch) const {
    fail<ValueError>("fit: in epoch ", completed() + 1, ", batch ", batch + 1, ", at learning rate ",
                     optimizer_.learning_rate(), ": ", what, ". The parameters are as they were before this step");
  }

  void finish_epoch(ProgressPrinter& progress) {
    EpochReport& report = history_.epochs.back();
    settle_all();
    with_average([&] {
      if (validation()) {
        report.validation_loss = validation_loss();
        note_validation(report);
      }
      progress.epoch(report);
      for (const Callback& callback : options_.callbacks)
        if (callback(report) == Continue::no) history_.stopped_early = true;
    });
    history_.interrupted |= interrupt_.interrupted();
  }

  void settle_all() {
    settle(model_);
    if (average_) settle_spectral_norms(average_->model());
  }

  // Calls f() while the model is as it would be returned now: with averaged parameters, if wanted.
  template <class F>
  void with_average(const F& f) {
    if (!average_) return f();
    const std::vector<NamedTensor> trained = named_tensors(model_);
    assign_tensors(model_, named_tensors(average_->model()), "fit");
    try {
      f();
    } catch (...) {
      assign_tensors(model_, trained, "fit");
      throw;
    }
    assign_tensors(model_, trained, "fit");
  }

  // Gradients stay on: objectives such as score matching take them inside. The noise is the same every time.
  double validation_loss() {
    Rng random = Rng::from_state(validation_random_);
    double sum = 0;
    const auto& objective = objective_at(objective_, total_steps_, total_steps_);
    for (const Data& batch : batches(*validation(), options_.batch_size, random, {.shuffle = false}))
      sum += static_cast<double>(call_objective(objective, model_, batch, random).item()) *
             static_cast<double>(rows_of(batch));
    return sum / static_cast<double>(rows_of(*validation()));
  }

  void note_validation(const EpochReport& report) {
    if (report.validation_loss < best_loss_ - options_.min_improvement) {
      best_loss_ = report.validation_loss;
      history_.best_epoch = report.epoch;
      if (options_.patience > 0) best_ = named_tensors(model_);
    } else if (options_.patience > 0 && report.epoch - history_.best_epoch >= options_.patience) {
      history_.stopped_early = true;
    }
  }

  // What fit() would return now.
  std::vector<NamedTensor> result() const {
    if (!best_.empty()) return best_;
    return average_ ? named_tensors(average_->model()) : named_tensors(model_);
  }

  void save_state() const {
    TrainingFile file;
    file.put_model(result());
    if (average_ || !best_.empty()) file.put_model(named_tensors(model_), "weights");
    file.put("best_kept", std::uint64_t{!best_.empty()});
    if (average_) {
      file.put_model(named_tensors(average_->model()), "average");
      file.put("average_updates", static_cast<std::uint64_t>(average_->updates()));
    }
    put_optimizer(file, optimizer_.state());
    put_rng(file, "rng", rng_.state());
    put_rng(file, "validation_rng", validation_random_);
    put_history(file, history_);
    file.put("epoch", static_cast<std::uint64_t>(completed()));
    file.put("steps", static_cast<std::uint64_t>(steps_));
    file.put("best_loss", Tensor<double>::scalar(best_loss_));
    file.save(options_.checkpoint);
  }

  void resume() {
    const TrainingFile file(options_.checkpoint);
    const std::string source = "fit: resuming from " + options_.checkpoint;
    validation_random_ = get_rng(file, "validation_rng");
    const Rng::State random = get_rng(file, "rng");
    history_ = get_history(file);
    steps_ = file.index("steps");
    best_loss_ = file.number("best_loss");
    if (options_.patience > 0 && file.integer("best_kept")) best_ = file.model();
    optimizer_.set_state(get_optimizer(file));
    if (options_.ema_decay > 0) {
      average_.emplace(model_, ema_options());
      assign_tensors(average_->model(), file.model("average"), source);
      average_->set_updates(file.index("average_updates"));
    }
    const std::vector<NamedTensor> weights = file.model("weights");
    assign_tensors(model_, weights.empty() ? file.model() : weights, source);
    rng_ = Rng::from_state(random);
  }

  M& model_;
  const Data& data_;
  const Objective& objective_;
  const FitOptions& options_;
  Rng& rng_;
  Optimizer optimizer_;
  double base_rate_;
  InterruptGuard interrupt_;
  Index rows_ = 0, steps_ = 0, total_steps_ = 0;
  Rng::State validation_random_;
  History history_;
  std::optional<Ema<M>> average_;
  std::vector<NamedTensor> best_;
  double best_loss_ = std::numeric_limits<double>::infinity();
};

}  // namespace detail

/// Trains `model` on the rows of `data`, a tensor or a tuple of tensors, to make `objective` small; changes the model
/// and returns the losses epoch by epoch.
///
///   fit(flow, moons, mle, {.epochs = 40, .optimizer = Adam({.learning_rate = 1e-3})}, rng);
///
/// `objective(model, batch)` or `objective(model, batch, rng)` gives one number, the mean over the batch. Layers are in
/// training mode meanwhile and in evaluation mode afterwards; SpectralNorm layers follow their weights at each step,
/// and are settled whenever the model is evaluated or returned. An objective with `at(step, total)`, see annealed(), is
/// asked for the one of each step. A model with `initialize(batch)` is started from a batch.
/// Ctrl-C ends the training after the batch; what was learned is kept.
///
/// Throws ValueError for data without rows or with NaN, a model without parameters, options out of range, and when the
/// loss or a gradient is not finite (the parameters are then as before that step); IoError for a checkpoint.
template <class M, class Data, class Objective>
History fit(M& model, const Data& data, const Objective& objective, const FitOptions& options, Rng& rng) {
  return detail::Training<M, Data, Objective>(model, data, objective, options, rng).run();
}

}  // namespace pushforward
