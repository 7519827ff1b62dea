// WaveNet one number at a time: every layer keeps what it will need of the past in a ring.
#pragma once

#include <array>
#include <cmath>
#include <vector>

#include <pushforward/models/autoregressive/wave_net_layers.hpp>

namespace pushforward {

namespace detail {

// A dense layer on a few rows, its weights packed as the kernels of the matrix product read them. Sums run in order and
// start with the bias, as those of a convolution do.
template <class S>
class StepMatrix {
 public:
  StepMatrix() = default;
  /// weight [out, in] or [out, in, 1], bias [out] or empty, for up to `rows` rows.
  StepMatrix(Index rows, const Tensor<S>& weight, const Tensor<S>& bias) : in_(weight.size() / weight.size(0)) {
    const Index out = weight.size(0), vectors = divide_up(out, kernels_->lanes);
    const bool wide = rows <= kernels_->wide_rows && divide_up(vectors, 4) * 2 == divide_up(vectors, 2);
    log_vectors_ = vectors == 1 ? 0 : wide ? 2 : 1;
    width_ = kernels_->lanes << log_vectors_;
    padded_ = divide_up(out, width_) * width_;
    packed_.assign(static_cast<std::size_t>(padded_ * in_), S(0));
    start_.assign(static_cast<std::size_t>(padded_), S(0));
    for (Index j = 0; j < out; ++j)
      for (Index p = 0; p < in_; ++p)
        packed_[static_cast<std::size_t>((j / width_ * in_ + p) * width_ + j % width_)] = weight.data()[j * in_ + p];
    std::copy_n(bias.data(), bias.size(), start_.begin());
  }

  /// Numbers of a row of the result, those of the layer first.
  Index padded() const { return padded_; }

  /// Rows [begin, end) of x [.., in] -> the same rows of y [.., padded].
  void multiply(Index begin, Index end, const S* x, S* y) const {
    for (Index j = 0; j < padded_; j += width_)
      conv_multiply(*kernels_,
                    {in_, x + begin * in_, in_, 1, packed_.data() + j * in_, width_, y + begin * padded_ + j, padded_,
                     start_.data() + j, 0, false},
                    end - begin, log_vectors_);
  }

 private:
  const GemmKernels<S>* kernels_ = &gemm_kernels<S>();
  Index in_ = 0, width_ = 0, padded_ = 0, log_vectors_ = 0;
  std::vector<S> packed_, start_;  // [padded / width, in, width], [padded]
};

template <class S>
void add_rows_to(Index n, S* __restrict to, const S* __restrict from) {
  for (Index i = 0; i < n; ++i) to[i] += from[i];
}

// A block of WaveNet, one step at a time.
template <class S>
class WaveNetStep {
 public:
  WaveNetStep(const WaveNetBlock<S>& block, Index rows, const Tensor<S>& whole)
      : taps_(block.dilated.weight.size(2)),
        dilation_(block.dilated.options.dilation),
        channels_(block.dilated.weight.size(1)),
        gates_(block.skip.weight.size(1)),
        skip_(block.skip.weight.size(0)),
        last_(block.residual.weight.empty()),
        dilated_(rows, block.dilated.weight, block.dilated.bias) {
    const NoGradient guard;
    outputs_ = last_ ? StepMatrix<S>(rows, block.skip.weight, block.skip.bias)
                     : StepMatrix<S>(rows, concat({block.skip.weight.tensor(), block.residual.weight.tensor()}, 0),
                                     concat({block.skip.bias.tensor(), block.residual.bias.tensor()}, 0));
    if (!whole.empty()) global_ = linear(whole, block.global.tensor(), Tensor<S>());
    if (!block.local.empty()) local_ = StepMatrix<S>(rows, block.local, Tensor<S>());
    ring_.assign(static_cast<std::size_t>(period() * rows * channels_), S(0));
    const auto room = [rows](Index numbers) { return std::vector<S>(static_cast<std::size_t>(rows * numbers)); };
    seen_ = room(taps_ * channels_);
    filters_ = room(dilated_.padded());
    along_ = room(local_.padded());
    gated_ = room(gates_);
    result_ = room(outputs_.padded());
    rows_ = rows;
  }

  /// Rows [begin, end): h [rows, channels] goes one block on, total [rows, skip] grows; `along` [rows, local].
  void run(Index time, Index begin, Index end, S* h, S* total, const S* along) {
    remember(time, begin, end, h);
    dilated_.multiply(begin, end, seen_.data(), filters_.data());
    if (along) local_.multiply(begin, end, along, along_.data());
    const Index wide = dilated_.padded();
    for (Index r = begin; r < end; ++r) {
      S* const z = filters_.data() + r * wide;
      if (!global_.empty()) add_rows_to(2 * gates_, z, global_.data() + r * 2 * gates_);
      if (along) add_rows_to(2 * gates_, z, along_.data() + r * local_.padded());
      gate_values(gates_, z, z + gates_, gated_.data() + r * gates_);
    }
    outputs_.multiply(begin, end, gated_.data(), result_.data());
    for (Index r = begin; r < end; ++r) {
      const S* const from = result_.data() + r * outputs_.padded();
      add_rows_to(skip_, total + r * skip_, from);
      if (!last_) add_rows_to(channels_, h + r * channels_, from + skip_);
    }
  }

  double work() const {
    return static_cast<double>(taps_ * channels_ * dilated_.padded() + gates_ * outputs_.padded());
  }

 private:
  Index period() const { return (taps_ - 1) * dilation_; }

  // What the taps see, [rows, channels, taps], the oldest first; h takes the place of the oldest.
  void remember(Index time, Index begin, Index end, const S* h) {
    const Index k = taps_, row = rows_ * channels_;
    const auto copy = [&](const S* __restrict from, Index tap) {
      S* __restrict to = seen_.data() + begin * channels_ * k + tap;
      for (Index i = 0; i < (end - begin) * channels_; ++i) to[i * k] = from[i];
    };
    for (Index tap = 0; tap + 1 < k; ++tap)
      copy(ring_.data() + (time + tap * dilation_) % period() * row + begin * channels_, tap);
    copy(h + begin * channels_, k - 1);
    std::copy(h + begin * channels_, h + end * channels_,
              ring_.begin() + static_cast<std::ptrdiff_t>(time % period() * row + begin * channels_));
  }

  Index taps_, dilation_, channels_, gates_, skip_, rows_ = 0;
  bool last_;
  StepMatrix<S> dilated_, local_, outputs_;
  Tensor<S> global_;     // [rows, 2 gates], or empty
  std::vector<S> ring_;  // [period, rows, channels]
  std::vector<S> seen_, filters_, along_, gated_, result_;
};

}  // namespace detail

/// A WaveNet that runs along n sequences at the cost of one column of its layers for each number, with the same bits as
/// a pass over all of them (fast WaveNet generation, Le Paine et al. 2016). It keeps a copy of the weights.
///
///     auto steps = model.steps(n);
///     for (...) { Tensor<> p = steps.outputs(); ...; steps.set(numbers); }
template <class S = float>
class WaveNetSteps {
 public:
  /// For n sequences and the conditions of WaveNetLayers; see WaveNet::steps.
  WaveNetSteps(const WaveNetLayers<S>& layers, Index n, const Tensor<S>& whole, const Tensor<S>& along)
      : rows_(n),
        channels_(layers.blocks.front().dilated.weight.size(1)),
        skip_(layers.head.weight.size(0)),
        parameters_(layers.outputs.weight.size(0)),
        local_(along.empty() ? 0 : along.size(1)),
        levels_(stop_gradient(layers.levels.weight.tensor())),
        along_(stop_gradient(along)),
        head_(n, layers.head.weight, layers.head.bias),
        outputs_(n, layers.outputs.weight, layers.outputs.bias) {
    if (!layers.categorical()) {
      shift_ = layers.shift.item();
      factor_ = layers.factor.item();
      input_ = detail::StepMatrix<S>(n, layers.input.weight, layers.input.bias);
    }
    for (const WaveNetBlock<S>& block : layers.blocks) blocks_.emplace_back(block, n, stop_gradient(whole));
    const auto room = [n](Index numbers) { return std::vector<S>(static_cast<std::size_t>(n * numbers)); };
    inputs_ = room(1);
    h_ = room(channels_);
    input_now_ = room(input_.padded());
    total_ = room(skip_);
    rectified_ = room(skip_);
    head_now_ = room(head_.padded());
    outputs_now_ = room(outputs_.padded());
    local_now_ = room(local_);
    for (const auto& block : blocks_) work_ += block.work();
    work_ += static_cast<double>(skip_ * (head_.padded() + outputs_.padded()));
  }

  /// How many numbers of each sequence have been set.
  Index time() const { return time_; }

  /// The parameters of the next number of each sequence, [n, P]. Throws IndexError past the end of a local condition.
  Tensor<S> outputs() {
    Tensor<S> result = detail::Access::allocate<S>({rows_, parameters_});
    advance(detail::Access::data(result));
    return result;
  }

  /// Gives the next number of each sequence, n of them. Throws ValueError for a level that is none, and for NaN.
  void set(const S* numbers) {
    for (Index r = 0; r < rows_; ++r) check_number(numbers[r]);
    if (!advanced_) advance(nullptr);
    std::copy_n(numbers, rows_, inputs_.begin());
    advanced_ = false;
    ++time_;
  }

 private:
  void check_number(S number) const {
    if (std::isnan(number)) fail<ValueError>("WaveNetSteps::set: got NaN, expected a number");
    if (levels_.empty()) return;
    const Index levels = levels_.size(0) - 1;
    if (!(number >= S(0) && number < static_cast<S>(levels) && number == std::floor(number)))
      fail<ValueError>("WaveNetSteps::set: got the level ", number, ", expected whole numbers 0 to ", levels - 1);
  }

  // All layers for the next number; writes parameters to `out`, if it is there.
  void advance(S* out) {
    if (local_ > 0 && time_ >= along_.size(2))
      fail<IndexError>("WaveNetSteps: the local condition of shape ", along_.shape(), " ends before number ", time_);
    const Index threads = std::min(rows_, detail::gemm_threads(2 * work_ * static_cast<double>(rows_)));
    parallel_for(rows_, detail::divide_up(rows_, std::max<Index>(1, threads)), [&](Index begin, Index end) {
      if (!advanced_) run_blocks(begin, end);
      if (out) run_head(begin, end, out);
    });
    advanced_ = true;
  }

  void run_blocks(Index begin, Index end) {
    start(begin, end);
    std::fill(total_.begin() + begin * skip_, total_.begin() + end * skip_, S(0));
    const Index length = local_ > 0 ? along_.size(2) : 0;
    for (Index i = begin * local_; i < end * local_; ++i)
      local_now_[static_cast<std::size_t>(i)] = along_.data()[i * length + time_];
    for (auto& block : blocks_)
      block.run(time_, begin, end, h_.data(), total_.data(), local_ > 0 ? local_now_.data() : nullptr);
  }

  // The channels that stand for the number before.
  void start(Index begin, Index end) {
    constexpr S bound = static_cast<S>(detail::conditioner_bound);
    if (levels_.empty() && time_ > 0)
      for (Index r = begin; r < end; ++r) {
        S& number = inputs_[static_cast<std::size_t>(r)];
        number = (std::min(std::max(number, -bound), bound) - shift_) * factor_;
      }
    if (levels_.empty()) input_.multiply(begin, end, inputs_.data(), input_now_.data());
    for (Index r = begin; r < end; ++r) {
      const S* const from = levels_.empty() ? input_now_.data() + r * input_.padded() : row_before(r);
      std::copy_n(from, channels_, h_.data() + r * channels_);
    }
  }
  // The row of the level before, or of the start.
  const S* row_before(Index r) const {
    const Index level = time_ == 0 ? levels_.size(0) - 1 : static_cast<Index>(inputs_[static_cast<std::size_t>(r)]);
    return levels_.data() + level * channels_;
  }

  void run_head(Index begin, Index end, S* out) {
    rectify(begin, end, total_.data(), skip_);
    head_.multiply(begin, end, rectified_.data(), head_now_.data());
    rectify(begin, end, head_now_.data(), head_.padded());
    outputs_.multiply(begin, end, rectified_.data(), outputs_now_.data());
    for (Index r = begin; r < end; ++r)
      std::copy_n(outputs_now_.data() + r * outputs_.padded(), parameters_, out + r * parameters_);
  }
  void rectify(Index begin, Index end, const S* from, Index step) {
    for (Index r = begin; r < end; ++r)
      for (Index i = 0; i < skip_; ++i)
        rectified_[static_cast<std::size_t>(r * skip_ + i)] = detail::Relu{}.value(from[r * step + i]);
  }

  Index rows_, channels_, skip_, parameters_, local_, time_ = 0;
  bool advanced_ = false;
  double work_ = 0;
  Tensor<S> levels_, along_;
  S shift_ = 0, factor_ = 1;
  detail::StepMatrix<S> input_, head_, outputs_;
  std::vector<detail::WaveNetStep<S>> blocks_;
  std::vector<S> inputs_, input_now_, h_, local_now_, total_, rectified_, head_now_, outputs_now_;
};

}  // namespace pushforward
