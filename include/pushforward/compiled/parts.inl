// What the compiled library holds for one scalar type, between the tensor core and the models. A name that is missing
// here is compiled by each program that uses it, and nothing else changes.
//
// PUSHFORWARD_INSTANCE is `extern template` in a program and `template` in the library; PUSHFORWARD_SCALAR is the type.

namespace pushforward::detail {

// io/csv.hpp
PUSHFORWARD_INSTANCE void append_number(std::string& text, PUSHFORWARD_SCALAR value);
PUSHFORWARD_INSTANCE Index parse_csv_line(const std::string& path, std::string_view line, Index number, char delimiter,
                                          std::vector<PUSHFORWARD_SCALAR>& values);

// nn/channel_norm_kernels.hpp
PUSHFORWARD_INSTANCE void normalize_channels(const ChannelSizes& sizes, const ChannelForward<PUSHFORWARD_SCALAR>& to);
PUSHFORWARD_INSTANCE void pull_back_channels(const ChannelSizes& sizes, const ChannelBackward<PUSHFORWARD_SCALAR>& to);
PUSHFORWARD_INSTANCE void check_channel_norm(const char* name, const Tensor<PUSHFORWARD_SCALAR>& x,
                                             const Tensor<PUSHFORWARD_SCALAR>& weight,
                                             const Tensor<PUSHFORWARD_SCALAR>& bias, double eps);
PUSHFORWARD_INSTANCE struct ChannelNorm<PUSHFORWARD_SCALAR>;

// nn/batch_norm.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> batch_norm_values(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                  const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                  const Tensor<PUSHFORWARD_SCALAR>& bias, double eps,
                                                                  BatchStatistics<PUSHFORWARD_SCALAR>* statistics);

// nn/conv.hpp
PUSHFORWARD_INSTANCE void start_conv(const char* name, Parameter<PUSHFORWARD_SCALAR>& weight,
                                     Parameter<PUSHFORWARD_SCALAR>& bias, const Shape& shape, Index out, Index groups,
                                     bool with_bias, Rng& rng);

// nn/dropout.hpp
PUSHFORWARD_INSTANCE void uniform_to_mask(PUSHFORWARD_SCALAR* values, Index n, PUSHFORWARD_SCALAR keep,
                                          PUSHFORWARD_SCALAR scale);

// nn/layer_norm.hpp
PUSHFORWARD_INSTANCE void normalize_rows(const NormRows<PUSHFORWARD_SCALAR>& r, const PUSHFORWARD_SCALAR* x,
                                         const PUSHFORWARD_SCALAR* weight, const PUSHFORWARD_SCALAR* bias,
                                         PUSHFORWARD_SCALAR eps, PUSHFORWARD_SCALAR* y);
PUSHFORWARD_INSTANCE void normalize_rows_adjoint(const NormRows<PUSHFORWARD_SCALAR>& r, const PUSHFORWARD_SCALAR* g,
                                                 const PUSHFORWARD_SCALAR* x, const PUSHFORWARD_SCALAR* weight,
                                                 PUSHFORWARD_SCALAR* p);
PUSHFORWARD_INSTANCE void normalize_weight_adjoint(const NormRows<PUSHFORWARD_SCALAR>& r, const PUSHFORWARD_SCALAR* g,
                                                   const PUSHFORWARD_SCALAR* x, PUSHFORWARD_SCALAR* out);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> norm_adjoint(const Tensor<PUSHFORWARD_SCALAR>& g,
                                                             const Tensor<PUSHFORWARD_SCALAR>& x,
                                                             const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                             const NormRows<PUSHFORWARD_SCALAR>& r, double eps);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> norm_weight_adjoint(const Tensor<PUSHFORWARD_SCALAR>& g,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                    const NormRows<PUSHFORWARD_SCALAR>& r, double eps);

// nn/linear_in_order.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> linear_in_order(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                                Activation activation);
PUSHFORWARD_INSTANCE class StepLinear<PUSHFORWARD_SCALAR>;

// nn/masked_linear.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> masked_weight(const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                              const Mask<PUSHFORWARD_SCALAR>& mask);
PUSHFORWARD_INSTANCE void masked_product(const Tensor<PUSHFORWARD_SCALAR>& x, const Tensor<PUSHFORWARD_SCALAR>& w,
                                         const Tensor<PUSHFORWARD_SCALAR>& bias, const Mask<PUSHFORWARD_SCALAR>& mask,
                                         Epilogue epilogue, Tensor<PUSHFORWARD_SCALAR>& y);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> masked_product_to_input(const Tensor<PUSHFORWARD_SCALAR>& g,
                                                                        const Tensor<PUSHFORWARD_SCALAR>& w,
                                                                        const Mask<PUSHFORWARD_SCALAR>& mask,
                                                                        const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> masked_product_to_weight(const Tensor<PUSHFORWARD_SCALAR>& g,
                                                                         const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                         const Mask<PUSHFORWARD_SCALAR>& mask);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> record_masked_linear(
    Tensor<PUSHFORWARD_SCALAR> values, const Tensor<PUSHFORWARD_SCALAR>& x, const Tensor<PUSHFORWARD_SCALAR>& weight,
    const Tensor<PUSHFORWARD_SCALAR>& bias, const Tensor<PUSHFORWARD_SCALAR>& w,
    const std::shared_ptr<const Mask<PUSHFORWARD_SCALAR>>& mask);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> masked_linear(
    const Tensor<PUSHFORWARD_SCALAR>& x, const Tensor<PUSHFORWARD_SCALAR>& weight,
    const Tensor<PUSHFORWARD_SCALAR>& bias, const std::shared_ptr<const Mask<PUSHFORWARD_SCALAR>>& mask,
    Activation activation);

// nn/mlp_slope.hpp
PUSHFORWARD_INSTANCE SlopeLoops<PUSHFORWARD_SCALAR> slope_loops(Activation activation);
PUSHFORWARD_INSTANCE void multiply_in_place(Index n, PUSHFORWARD_SCALAR* x, const PUSHFORWARD_SCALAR* factor);
PUSHFORWARD_INSTANCE bool has_mlp_slope(const Mlp<PUSHFORWARD_SCALAR>& net, const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> mlp_slope(const Mlp<PUSHFORWARD_SCALAR>& net,
                                                          const Tensor<PUSHFORWARD_SCALAR>& x,
                                                          PUSHFORWARD_SCALAR factor);

// nn/recurrent_kernels.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> recurrent<GruCell>(const Tensor<PUSHFORWARD_SCALAR>& inputs,
                                                                   const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                   const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                                   const Tensor<PUSHFORWARD_SCALAR>& start);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> recurrent<LstmCell>(const Tensor<PUSHFORWARD_SCALAR>& inputs,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& start);

// nn/recurrent.hpp
PUSHFORWARD_INSTANCE struct RecurrentLayer<GruCell, PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct RecurrentLayer<LstmCell, PUSHFORWARD_SCALAR>;

// nn/spectral_norm.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> as_matrix(const Tensor<PUSHFORWARD_SCALAR>& weight, int axis);
PUSHFORWARD_INSTANCE SingularPair<PUSHFORWARD_SCALAR> power_method(const Tensor<PUSHFORWARD_SCALAR>& matrix,
                                                                   const Tensor<PUSHFORWARD_SCALAR>& left,
                                                                   Index iterations);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> spectral_norm_of(const Tensor<PUSHFORWARD_SCALAR>& matrix,
                                                                 const SingularPair<PUSHFORWARD_SCALAR>& pair);

// distributions/fused.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> alias(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE void check_not_nan(const char* distribution, const char* parameter,
                                        const Tensor<PUSHFORWARD_SCALAR>& x);

// bijectors/affine.hpp
PUSHFORWARD_INSTANCE WithLogDet<PUSHFORWARD_SCALAR> scale_and_shift(const char* name,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& shift,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& log_scale);
PUSHFORWARD_INSTANCE WithLogDet<PUSHFORWARD_SCALAR> shift_and_scale_back(const char* name,
                                                                         const Tensor<PUSHFORWARD_SCALAR>& y,
                                                                         const Tensor<PUSHFORWARD_SCALAR>& shift,
                                                                         const Tensor<PUSHFORWARD_SCALAR>& log_scale);

// bijectors/autoregressive_kernels.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> network_input(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE AutoregressiveInverse<PUSHFORWARD_SCALAR> autoregressive_inverse(
    const Tensor<PUSHFORWARD_SCALAR>& y, const Tensor<PUSHFORWARD_SCALAR>& raw, BoundedScale<PUSHFORWARD_SCALAR> scale);
PUSHFORWARD_INSTANCE std::array<Tensor<PUSHFORWARD_SCALAR>, 2> autoregressive_value_rule(
    const Tensor<PUSHFORWARD_SCALAR>& g, const Tensor<PUSHFORWARD_SCALAR>& value,
    const Tensor<PUSHFORWARD_SCALAR>& kept);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> autoregressive_log_det_rule(const Tensor<PUSHFORWARD_SCALAR>& g,
                                                                            const Tensor<PUSHFORWARD_SCALAR>& kept);
PUSHFORWARD_INSTANCE AutoregressiveInverse<PUSHFORWARD_SCALAR> recorded_autoregressive_inverse(
    const Tensor<PUSHFORWARD_SCALAR>& y, const Tensor<PUSHFORWARD_SCALAR>& raw, BoundedScale<PUSHFORWARD_SCALAR> scale);

// bijectors/chain.hpp
PUSHFORWARD_INSTANCE void add_log_det(Tensor<PUSHFORWARD_SCALAR>& total, const Tensor<PUSHFORWARD_SCALAR>& more,
                                      bool first);

// bijectors/coupling.hpp
PUSHFORWARD_INSTANCE void check_conditioner(const char* name, const Tensor<PUSHFORWARD_SCALAR>& raw,
                                            const Tensor<PUSHFORWARD_SCALAR>& x, Index expected);

// bijectors/coupling_kernels.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conditioner_input(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                  const Columns& c);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> coupling_log_det(const Tensor<PUSHFORWARD_SCALAR>& raw, Index m,
                                                                 BoundedScale<PUSHFORWARD_SCALAR> scale,
                                                                 PUSHFORWARD_SCALAR sign);

// bijectors/rational_quadratic.hpp
PUSHFORWARD_INSTANCE SplineForm<PUSHFORWARD_SCALAR> spline_form(const char* name, const SplineOptions& options);
PUSHFORWARD_INSTANCE WithLogDet<PUSHFORWARD_SCALAR> unpacked_spline(const Tensor<PUSHFORWARD_SCALAR>& packed);

// bijectors/spline_kernels.hpp
PUSHFORWARD_INSTANCE Tensor<Index> find_bins(const Tensor<PUSHFORWARD_SCALAR>& at,
                                             const Tensor<PUSHFORWARD_SCALAR>& knots);

// objectives/adversarial.hpp
PUSHFORWARD_INSTANCE void check_rows(const char* name, const Tensor<PUSHFORWARD_SCALAR>& real,
                                     const Tensor<PUSHFORWARD_SCALAR>& fake, bool as_many);

// training/batches.hpp
PUSHFORWARD_INSTANCE Index rows_of(const Tensor<PUSHFORWARD_SCALAR>& data);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> take_rows(const Tensor<PUSHFORWARD_SCALAR>& data, const Index* order,
                                                          Index n);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> view_rows(const Tensor<PUSHFORWARD_SCALAR>& data, Index begin, Index n);

// training/checkpoint.hpp
PUSHFORWARD_INSTANCE void put_moments(TrainingFile& file, const std::string& name,
                                      const Moments<PUSHFORWARD_SCALAR>& moments);
PUSHFORWARD_INSTANCE Moments<PUSHFORWARD_SCALAR> get_moments(const TrainingFile& file, const std::string& name);

// training/clip.hpp
PUSHFORWARD_INSTANCE double sum_of_squares(const PUSHFORWARD_SCALAR* x, Index n);
PUSHFORWARD_INSTANCE double squared_norm(const Tensor<PUSHFORWARD_SCALAR>& x);

// training/fit.hpp
PUSHFORWARD_INSTANCE void check_data(const Tensor<PUSHFORWARD_SCALAR>& data);

// training/optimizer.hpp
PUSHFORWARD_INSTANCE void prepare_moments(Moments<PUSHFORWARD_SCALAR>& moments, int slots,
                                          const Sweep<PUSHFORWARD_SCALAR>& sweep);

// training/update.hpp
PUSHFORWARD_INSTANCE bool any_non_finite(const PUSHFORWARD_SCALAR* x, Index n);
PUSHFORWARD_INSTANCE class Sweep<PUSHFORWARD_SCALAR>;
#ifndef PUSHFORWARD_COMPILED_DOUBLE
PUSHFORWARD_INSTANCE class Sweep<double>;  // every optimizer steps parameters of both types
#endif

// metrics/evaluate.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> first_rows(const Tensor<PUSHFORWARD_SCALAR>& x, Index n);
PUSHFORWARD_INSTANCE void check_evaluation(const Tensor<PUSHFORWARD_SCALAR>& held_out,
                                           const EvaluateOptions<PUSHFORWARD_SCALAR>& options);
PUSHFORWARD_INSTANCE Index scored_rows(const Tensor<PUSHFORWARD_SCALAR>& held_out,
                                       const EvaluateOptions<PUSHFORWARD_SCALAR>& options);
PUSHFORWARD_INSTANCE void evaluate_draws(Evaluation& result, const Tensor<PUSHFORWARD_SCALAR>& draws,
                                         const Tensor<PUSHFORWARD_SCALAR>& real,
                                         const Tensor<PUSHFORWARD_SCALAR>& other,
                                         const EvaluateOptions<PUSHFORWARD_SCALAR>& options, Rng& rng);

// metrics/samples.hpp
PUSHFORWARD_INSTANCE void check_samples(const char* name, const Tensor<PUSHFORWARD_SCALAR>& a,
                                        const Tensor<PUSHFORWARD_SCALAR>& b, Index least);
PUSHFORWARD_INSTANCE std::vector<double> sorted_projection(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                           const Eigen::VectorXd& direction);

}  // namespace pushforward::detail

namespace pushforward {

// io/csv.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> read_csv(const std::string& path, const CsvOptions& options);
PUSHFORWARD_INSTANCE void write_csv(const std::string& path, const Tensor<PUSHFORWARD_SCALAR>& values,
                                    const CsvOptions& options);

// io/npy.hpp
PUSHFORWARD_INSTANCE void write_npy(const std::string& path, const Tensor<PUSHFORWARD_SCALAR>& values);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> read_npy(const std::string& path);

// io/png.hpp
PUSHFORWARD_INSTANCE Image to_image(const Tensor<PUSHFORWARD_SCALAR>& values);
PUSHFORWARD_INSTANCE void write_png(const std::string& path, const Tensor<PUSHFORWARD_SCALAR>& values);

// nn/dropout.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> dropout(const Tensor<PUSHFORWARD_SCALAR>& x, double p, Rng& rng);

// nn/layer_norm.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> layer_norm(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                           const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                           const Tensor<PUSHFORWARD_SCALAR>& bias, double eps);

// nn/batch_norm.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> batch_norm(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                           const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                           const Tensor<PUSHFORWARD_SCALAR>& bias, double eps);

// nn/group_norm.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> group_norm(const Tensor<PUSHFORWARD_SCALAR>& x, Index groups,
                                                           const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                           const Tensor<PUSHFORWARD_SCALAR>& bias, double eps);

// nn/minibatch_deviation.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> minibatch_deviation(const Tensor<PUSHFORWARD_SCALAR>& x, Index group);

// nn/rms_norm.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> rms_norm(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                         const Tensor<PUSHFORWARD_SCALAR>& weight, double eps);

// distributions/kl_divergence.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> kl_divergence(const Normal<PUSHFORWARD_SCALAR>& q,
                                                              const Normal<PUSHFORWARD_SCALAR>& p);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> kl_divergence(const Bernoulli<PUSHFORWARD_SCALAR>& q,
                                                              const Bernoulli<PUSHFORWARD_SCALAR>& p);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> kl_divergence(const Categorical<PUSHFORWARD_SCALAR>& q,
                                                              const Categorical<PUSHFORWARD_SCALAR>& p);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> kl_divergence(const Uniform<PUSHFORWARD_SCALAR>& q,
                                                              const Uniform<PUSHFORWARD_SCALAR>& p);

// distributions/normal.hpp
PUSHFORWARD_INSTANCE Normal<PUSHFORWARD_SCALAR> standard_normal(Index features);
PUSHFORWARD_INSTANCE class Normal<PUSHFORWARD_SCALAR>;

// bijectors/rational_quadratic.hpp
PUSHFORWARD_INSTANCE WithLogDet<PUSHFORWARD_SCALAR> rational_quadratic(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                       const Tensor<PUSHFORWARD_SCALAR>& raw,
                                                                       const SplineOptions& options);
PUSHFORWARD_INSTANCE WithLogDet<PUSHFORWARD_SCALAR> rational_quadratic_inverse(const Tensor<PUSHFORWARD_SCALAR>& y,
                                                                               const Tensor<PUSHFORWARD_SCALAR>& raw,
                                                                               const SplineOptions& options);
PUSHFORWARD_INSTANCE class SplineCoupling<Mlp<PUSHFORWARD_SCALAR>>;

// training/batches.hpp
PUSHFORWARD_INSTANCE Batches<Tensor<PUSHFORWARD_SCALAR>> batches(const Tensor<PUSHFORWARD_SCALAR>& data,
                                                                 Index batch_size, Rng& rng, BatchOptions options);
PUSHFORWARD_INSTANCE class Batches<Tensor<PUSHFORWARD_SCALAR>>;

// training/clip.hpp
PUSHFORWARD_INSTANCE double global_norm(const Gradients<PUSHFORWARD_SCALAR>& gradients);
PUSHFORWARD_INSTANCE ClippedGradients<PUSHFORWARD_SCALAR> clip_by_norm(const Gradients<PUSHFORWARD_SCALAR>& gradients,
                                                                       double max_norm);
PUSHFORWARD_INSTANCE Gradients<PUSHFORWARD_SCALAR> clip_by_value(const Gradients<PUSHFORWARD_SCALAR>& gradients,
                                                                 double limit);

// metrics/samples.hpp
PUSHFORWARD_INSTANCE double sliced_wasserstein(const Tensor<PUSHFORWARD_SCALAR>& a, const Tensor<PUSHFORWARD_SCALAR>& b,
                                               const SlicedWassersteinOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE double sliced_wasserstein(const Tensor<PUSHFORWARD_SCALAR>& a, const Tensor<PUSHFORWARD_SCALAR>& b,
                                               Rng& rng);
PUSHFORWARD_INSTANCE double mmd(const Tensor<PUSHFORWARD_SCALAR>& a, const Tensor<PUSHFORWARD_SCALAR>& b,
                                const MmdOptions& options);
PUSHFORWARD_INSTANCE ModeCoverage mode_coverage(const Tensor<PUSHFORWARD_SCALAR>& samples,
                                                const Tensor<PUSHFORWARD_SCALAR>& centers, double radius);

// nn/linear.hpp
PUSHFORWARD_INSTANCE struct Linear<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct Mlp<PUSHFORWARD_SCALAR>;

// distributions/bernoulli.hpp
PUSHFORWARD_INSTANCE class Bernoulli<PUSHFORWARD_SCALAR>;

// distributions/categorical.hpp
PUSHFORWARD_INSTANCE class Categorical<PUSHFORWARD_SCALAR>;

// bijectors/affine.hpp
PUSHFORWARD_INSTANCE struct ActNorm<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct LearnedAffine<PUSHFORWARD_SCALAR>;

// bijectors/chain.hpp
PUSHFORWARD_INSTANCE class Chain<PUSHFORWARD_SCALAR>;

// bijectors/bijector.hpp
PUSHFORWARD_INSTANCE class AnyBijector<PUSHFORWARD_SCALAR>;

// bijectors/coupling.hpp
PUSHFORWARD_INSTANCE class AffineCoupling<Mlp<PUSHFORWARD_SCALAR>>;
PUSHFORWARD_INSTANCE class AdditiveCoupling<Mlp<PUSHFORWARD_SCALAR>>;

// nn/time_mlp.hpp
PUSHFORWARD_INSTANCE struct TimeMlp<PUSHFORWARD_SCALAR>;

// nn/masked_linear.hpp
PUSHFORWARD_INSTANCE struct MaskedLinear<PUSHFORWARD_SCALAR>;

// nn/masked_mlp.hpp
PUSHFORWARD_INSTANCE struct MaskedMlp<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE class MaskedMlpSteps<PUSHFORWARD_SCALAR>;

// nn/attention.hpp
PUSHFORWARD_INSTANCE class KeyValueCache<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct MultiHeadAttention<PUSHFORWARD_SCALAR>;

// nn/batch_norm.hpp
PUSHFORWARD_INSTANCE struct BatchNorm<PUSHFORWARD_SCALAR>;

// nn/conv.hpp
PUSHFORWARD_INSTANCE struct Conv2d<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct ConvTranspose2d<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct Conv1d<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct ConvTranspose1d<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct CausalConv1d<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct MaskedConv2d<PUSHFORWARD_SCALAR>;

// nn/embedding.hpp
PUSHFORWARD_INSTANCE struct Embedding<PUSHFORWARD_SCALAR>;

// nn/group_norm.hpp
PUSHFORWARD_INSTANCE struct GroupNorm<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct InstanceNorm<PUSHFORWARD_SCALAR>;

// nn/layer_norm.hpp
PUSHFORWARD_INSTANCE struct LayerNorm<PUSHFORWARD_SCALAR>;

// nn/recurrent.hpp
PUSHFORWARD_INSTANCE struct GRU<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct LSTM<PUSHFORWARD_SCALAR>;

// nn/rms_norm.hpp
PUSHFORWARD_INSTANCE struct RMSNorm<PUSHFORWARD_SCALAR>;

// nn/transformer.hpp
PUSHFORWARD_INSTANCE class TransformerCache<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct TransformerBlock<PUSHFORWARD_SCALAR>;

// nn/spectral_norm.hpp
PUSHFORWARD_INSTANCE struct SpectralMlp<PUSHFORWARD_SCALAR>;

// bijectors/masked_autoregressive.hpp
PUSHFORWARD_INSTANCE class MaskedAutoregressive<MaskedMlp<PUSHFORWARD_SCALAR>>;

}  // namespace pushforward

namespace pushforward::init {

// nn/initializers.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> zeros(const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> normal(const Shape& shape, Rng& rng, double deviation);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> xavier_uniform(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> xavier_normal(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> kaiming_uniform(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> kaiming_normal(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> orthogonal(const Shape& shape, Rng& rng, double gain);

}  // namespace pushforward::init

namespace pushforward::init::detail {

// nn/initializers.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> uniform_of_variance(const Shape& shape, Rng& rng, double variance);

}  // namespace pushforward::init::detail

namespace pushforward::data {

// data/digits.hpp
PUSHFORWARD_INSTANCE Digits<PUSHFORWARD_SCALAR> digits(Index n, Rng& rng, const DigitsOptions& options);

// data/idx.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> read_idx(const std::string& path);

// data/mnist.hpp
PUSHFORWARD_INSTANCE LabeledImages<PUSHFORWARD_SCALAR> load_mnist(const std::string& directory,
                                                                  const MnistOptions& options);
PUSHFORWARD_INSTANCE LabeledImages<PUSHFORWARD_SCALAR> load_mnist(const std::string& directory, Split split);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> load_binarized_mnist(const std::string& directory,
                                                                     const MnistOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> load_binarized_mnist(const std::string& directory, Split split);

// data/preprocessing.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> dequantize(const Tensor<PUSHFORWARD_SCALAR>& x, Rng& rng, Index levels);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> binarize(const Tensor<PUSHFORWARD_SCALAR>& x, Rng& rng);
PUSHFORWARD_INSTANCE WithLogDet<PUSHFORWARD_SCALAR> logit_transform(const Tensor<PUSHFORWARD_SCALAR>& x, double alpha);
PUSHFORWARD_INSTANCE WithLogDet<PUSHFORWARD_SCALAR> inverse_logit_transform(const Tensor<PUSHFORWARD_SCALAR>& y,
                                                                            double alpha);
PUSHFORWARD_INSTANCE Parts<Tensor<PUSHFORWARD_SCALAR>> train_validation_split(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                              double fraction, Rng& rng);

// data/toy_curves.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> two_moons(Index n, Rng& rng, const TwoMoonsOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> circles(Index n, Rng& rng, const CirclesOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> rings(Index n, Rng& rng, const RingsOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> two_spirals(Index n, Rng& rng, const TwoSpiralsOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> swiss_roll(Index n, Rng& rng, const SwissRollOptions& options);

// data/toy_gaussians.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> eight_gaussians(Index n, Rng& rng,
                                                                const EightGaussiansOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> grid_gaussians(Index n, Rng& rng, const GridGaussiansOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> pinwheel(Index n, Rng& rng, const PinwheelOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> checkerboard(Index n, Rng& rng, const CheckerboardOptions& options);

}  // namespace pushforward::data

namespace pushforward::data::detail {

// data/idx.hpp
PUSHFORWARD_INSTANCE PUSHFORWARD_SCALAR idx_value(const std::uint8_t* bytes, std::uint8_t type);

// data/toy.hpp
PUSHFORWARD_INSTANCE void check_points(const char* name, const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> hessian_product(const SharedMixture& mixture,
                                                                const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                const Tensor<PUSHFORWARD_SCALAR>& g);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> score(const SharedMixture& mixture,
                                                      const Tensor<PUSHFORWARD_SCALAR>& x);

}  // namespace pushforward::data::detail

namespace pushforward::plot {

// plot/curve.hpp
PUSHFORWARD_INSTANCE void curve(const std::string& path, const Tensor<PUSHFORWARD_SCALAR>& values,
                                const CurveOptions& options);

// plot/field.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> lattice(Range x, Range y, Index columns, Index rows);
PUSHFORWARD_INSTANCE void arrows(Figure& figure, Index row, Index column, const Tensor<PUSHFORWARD_SCALAR>& from,
                                 const Tensor<PUSHFORWARD_SCALAR>& vectors, const ArrowOptions& options);
PUSHFORWARD_INSTANCE void trajectories(Figure& figure, Index row, Index column,
                                       const Tensor<PUSHFORWARD_SCALAR>& states, const TrajectoryOptions& options);

// plot/image_grid.hpp
PUSHFORWARD_INSTANCE void image_grid(const std::string& path, const Tensor<PUSHFORWARD_SCALAR>& images,
                                     const ImageGridOptions& options);

// plot/scatter.hpp
PUSHFORWARD_INSTANCE void scatter(const std::string& path, const Tensor<PUSHFORWARD_SCALAR>& points,
                                  const ScatterOptions& options);

}  // namespace pushforward::plot

namespace pushforward::plot::detail {

// plot/density.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> to_tensor(const std::vector<Point>& points);
PUSHFORWARD_INSTANCE Tensor<double> widened(const Tensor<PUSHFORWARD_SCALAR>& x);

// plot/image_grid.hpp
PUSHFORWARD_INSTANCE Tiles to_tiles(const Tensor<PUSHFORWARD_SCALAR>& images);

}  // namespace pushforward::plot::detail
