// What the compiled library holds for float, between the tensor core and the models. A name that is missing here is
// compiled by each program that uses it, and nothing else changes.
//
// PUSHFORWARD_INSTANCE is `extern template` in a program and `template` in the library.

namespace pushforward::detail {

// io/csv.hpp
PUSHFORWARD_INSTANCE void append_number(std::string& text, float value);
PUSHFORWARD_INSTANCE Index parse_csv_line(const std::string& path, std::string_view line, Index number, char delimiter,
                                          std::vector<float>& values);

// nn/dropout.hpp
PUSHFORWARD_INSTANCE void uniform_to_mask(float* values, Index n, float keep, float scale);

// nn/layer_norm.hpp
PUSHFORWARD_INSTANCE void normalize_rows(const NormRows<float>& r, const float* x, const float* weight,
                                         const float* bias, float eps, float* y);
PUSHFORWARD_INSTANCE void normalize_rows_adjoint(const NormRows<float>& r, const float* g, const float* x,
                                                 const float* weight, float* p);
PUSHFORWARD_INSTANCE void normalize_weight_adjoint(const NormRows<float>& r, const float* g, const float* x,
                                                   float* out);
PUSHFORWARD_INSTANCE Tensor<float> norm_adjoint(const Tensor<float>& g, const Tensor<float>& x,
                                                const Tensor<float>& weight, const NormRows<float>& r, double eps);
PUSHFORWARD_INSTANCE Tensor<float> norm_weight_adjoint(const Tensor<float>& g, const Tensor<float>& x,
                                                       const NormRows<float>& r, double eps);

// nn/masked_linear.hpp
PUSHFORWARD_INSTANCE Tensor<float> masked_weight(const Tensor<float>& weight, const Mask<float>& mask);
PUSHFORWARD_INSTANCE void masked_product(const Tensor<float>& x, const Tensor<float>& w, const Tensor<float>& bias,
                                         const Mask<float>& mask, Epilogue epilogue, Tensor<float>& y);
PUSHFORWARD_INSTANCE Tensor<float> masked_product_to_input(const Tensor<float>& g, const Tensor<float>& w,
                                                           const Mask<float>& mask, const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<float> masked_product_to_weight(const Tensor<float>& g, const Tensor<float>& x,
                                                            const Mask<float>& mask);
PUSHFORWARD_INSTANCE Tensor<float> record_masked_linear(Tensor<float> values, const Tensor<float>& x,
                                                        const Tensor<float>& weight, const Tensor<float>& bias,
                                                        const Tensor<float>& w,
                                                        const std::shared_ptr<const Mask<float>>& mask);
PUSHFORWARD_INSTANCE Tensor<float> masked_linear(const Tensor<float>& x, const Tensor<float>& weight,
                                                 const Tensor<float>& bias,
                                                 const std::shared_ptr<const Mask<float>>& mask, Activation activation);

// nn/mlp_slope.hpp
PUSHFORWARD_INSTANCE SlopeLoops<float> slope_loops(Activation activation);
PUSHFORWARD_INSTANCE void multiply_in_place(Index n, float* x, const float* factor);
PUSHFORWARD_INSTANCE bool has_mlp_slope(const Mlp<float>& net, const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> mlp_slope(const Mlp<float>& net, const Tensor<float>& x, float factor);

// nn/spectral_norm.hpp
PUSHFORWARD_INSTANCE Tensor<float> as_matrix(const Tensor<float>& weight);
PUSHFORWARD_INSTANCE SingularPair<float> power_method(const Tensor<float>& weight, const Tensor<float>& start,
                                                      Index iterations);
PUSHFORWARD_INSTANCE Tensor<float> spectral_norm_of(const Tensor<float>& weight, const SingularPair<float>& pair);

// distributions/fused.hpp
PUSHFORWARD_INSTANCE Tensor<float> alias(const Tensor<float>& x);
PUSHFORWARD_INSTANCE void check_not_nan(const char* distribution, const char* parameter, const Tensor<float>& x);

// bijectors/affine.hpp
PUSHFORWARD_INSTANCE WithLogDet<float> scale_and_shift(const char* name, const Tensor<float>& x,
                                                       const Tensor<float>& shift, const Tensor<float>& log_scale);
PUSHFORWARD_INSTANCE WithLogDet<float> shift_and_scale_back(const char* name, const Tensor<float>& y,
                                                            const Tensor<float>& shift, const Tensor<float>& log_scale);

// bijectors/autoregressive_kernels.hpp
PUSHFORWARD_INSTANCE Tensor<float> network_input(const Tensor<float>& x);
PUSHFORWARD_INSTANCE AutoregressiveInverse<float> autoregressive_inverse(const Tensor<float>& y,
                                                                         const Tensor<float>& raw,
                                                                         BoundedScale<float> scale);
PUSHFORWARD_INSTANCE std::array<Tensor<float>, 2> autoregressive_value_rule(const Tensor<float>& g,
                                                                            const Tensor<float>& value,
                                                                            const Tensor<float>& kept);
PUSHFORWARD_INSTANCE Tensor<float> autoregressive_log_det_rule(const Tensor<float>& g, const Tensor<float>& kept);
PUSHFORWARD_INSTANCE AutoregressiveInverse<float> recorded_autoregressive_inverse(const Tensor<float>& y,
                                                                                  const Tensor<float>& raw,
                                                                                  BoundedScale<float> scale);

// bijectors/chain.hpp
PUSHFORWARD_INSTANCE void add_log_det(Tensor<float>& total, const Tensor<float>& more, bool first);

// bijectors/coupling.hpp
PUSHFORWARD_INSTANCE void check_conditioner(const char* name, const Tensor<float>& raw, const Tensor<float>& x,
                                            Index expected);

// bijectors/coupling_kernels.hpp
PUSHFORWARD_INSTANCE Tensor<float> conditioner_input(const Tensor<float>& x, const Columns& c);
PUSHFORWARD_INSTANCE Tensor<float> coupling_log_det(const Tensor<float>& raw, Index m, BoundedScale<float> scale,
                                                    float sign);

// bijectors/rational_quadratic.hpp
PUSHFORWARD_INSTANCE SplineForm<float> spline_form(const char* name, const SplineOptions& options);
PUSHFORWARD_INSTANCE WithLogDet<float> unpacked_spline(const Tensor<float>& packed);

// bijectors/spline_kernels.hpp
PUSHFORWARD_INSTANCE Tensor<Index> find_bins(const Tensor<float>& at, const Tensor<float>& knots);

// objectives/adversarial.hpp
PUSHFORWARD_INSTANCE void check_rows(const char* name, const Tensor<float>& real, const Tensor<float>& fake,
                                     bool as_many);

// training/batches.hpp
PUSHFORWARD_INSTANCE Index rows_of(const Tensor<float>& data);
PUSHFORWARD_INSTANCE Tensor<float> take_rows(const Tensor<float>& data, const Index* order, Index n);
PUSHFORWARD_INSTANCE Tensor<float> view_rows(const Tensor<float>& data, Index begin, Index n);

// training/checkpoint.hpp
PUSHFORWARD_INSTANCE void put_moments(TrainingFile& file, const std::string& name, const Moments<float>& moments);
PUSHFORWARD_INSTANCE Moments<float> get_moments(const TrainingFile& file, const std::string& name);

// training/clip.hpp
PUSHFORWARD_INSTANCE double sum_of_squares(const float* x, Index n);
PUSHFORWARD_INSTANCE double squared_norm(const Tensor<float>& x);

// training/fit.hpp
PUSHFORWARD_INSTANCE void check_data(const Tensor<float>& data);

// training/optimizer.hpp
PUSHFORWARD_INSTANCE void prepare_moments(Moments<float>& moments, int slots, const Sweep<float>& sweep);

// training/update.hpp
PUSHFORWARD_INSTANCE bool any_non_finite(const float* x, Index n);
PUSHFORWARD_INSTANCE class Sweep<float>;
PUSHFORWARD_INSTANCE class Sweep<double>;

// metrics/evaluate.hpp
PUSHFORWARD_INSTANCE Tensor<float> first_rows(const Tensor<float>& x, Index n);
PUSHFORWARD_INSTANCE void check_evaluation(const Tensor<float>& held_out, const EvaluateOptions<float>& options);
PUSHFORWARD_INSTANCE Index scored_rows(const Tensor<float>& held_out, const EvaluateOptions<float>& options);
PUSHFORWARD_INSTANCE void evaluate_draws(Evaluation& result, const Tensor<float>& draws, const Tensor<float>& real,
                                         const Tensor<float>& other, const EvaluateOptions<float>& options, Rng& rng);

// metrics/samples.hpp
PUSHFORWARD_INSTANCE void check_samples(const char* name, const Tensor<float>& a, const Tensor<float>& b, Index least);
PUSHFORWARD_INSTANCE std::vector<double> sorted_projection(const Tensor<float>& x, const Eigen::VectorXd& direction);

}  // namespace pushforward::detail

namespace pushforward {

// io/csv.hpp
PUSHFORWARD_INSTANCE Tensor<float> read_csv(const std::string& path, const CsvOptions& options);
PUSHFORWARD_INSTANCE void write_csv(const std::string& path, const Tensor<float>& values, const CsvOptions& options);

// io/npy.hpp
PUSHFORWARD_INSTANCE void write_npy(const std::string& path, const Tensor<float>& values);
PUSHFORWARD_INSTANCE Tensor<float> read_npy(const std::string& path);

// io/png.hpp
PUSHFORWARD_INSTANCE Image to_image(const Tensor<float>& values);
PUSHFORWARD_INSTANCE void write_png(const std::string& path, const Tensor<float>& values);

// nn/dropout.hpp
PUSHFORWARD_INSTANCE Tensor<float> dropout(const Tensor<float>& x, double p, Rng& rng);

// nn/layer_norm.hpp
PUSHFORWARD_INSTANCE Tensor<float> layer_norm(const Tensor<float>& x, const Tensor<float>& weight,
                                              const Tensor<float>& bias, double eps);

// distributions/kl_divergence.hpp
PUSHFORWARD_INSTANCE Tensor<float> kl_divergence(const Normal<float>& q, const Normal<float>& p);
PUSHFORWARD_INSTANCE Tensor<float> kl_divergence(const Bernoulli<float>& q, const Bernoulli<float>& p);
PUSHFORWARD_INSTANCE Tensor<float> kl_divergence(const Categorical<float>& q, const Categorical<float>& p);
PUSHFORWARD_INSTANCE Tensor<float> kl_divergence(const Uniform<float>& q, const Uniform<float>& p);

// distributions/normal.hpp
PUSHFORWARD_INSTANCE Normal<float> standard_normal(Index features);
PUSHFORWARD_INSTANCE class Normal<float>;

// bijectors/rational_quadratic.hpp
PUSHFORWARD_INSTANCE WithLogDet<float> rational_quadratic(const Tensor<float>& x, const Tensor<float>& raw,
                                                          const SplineOptions& options);
PUSHFORWARD_INSTANCE WithLogDet<float> rational_quadratic_inverse(const Tensor<float>& y, const Tensor<float>& raw,
                                                                  const SplineOptions& options);
PUSHFORWARD_INSTANCE class SplineCoupling<Mlp<float>>;

// training/batches.hpp
PUSHFORWARD_INSTANCE Batches<Tensor<float>> batches(const Tensor<float>& data, Index batch_size, Rng& rng,
                                                    BatchOptions options);
PUSHFORWARD_INSTANCE class Batches<Tensor<float>>;

// training/clip.hpp
PUSHFORWARD_INSTANCE double global_norm(const Gradients<float>& gradients);
PUSHFORWARD_INSTANCE ClippedGradients<float> clip_by_norm(const Gradients<float>& gradients, double max_norm);
PUSHFORWARD_INSTANCE Gradients<float> clip_by_value(const Gradients<float>& gradients, double limit);

// metrics/samples.hpp
PUSHFORWARD_INSTANCE double sliced_wasserstein(const Tensor<float>& a, const Tensor<float>& b,
                                               const SlicedWassersteinOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE double sliced_wasserstein(const Tensor<float>& a, const Tensor<float>& b, Rng& rng);
PUSHFORWARD_INSTANCE double mmd(const Tensor<float>& a, const Tensor<float>& b, const MmdOptions& options);
PUSHFORWARD_INSTANCE ModeCoverage mode_coverage(const Tensor<float>& samples, const Tensor<float>& centers,
                                                double radius);

// nn/linear.hpp
PUSHFORWARD_INSTANCE struct Linear<float>;
PUSHFORWARD_INSTANCE struct Mlp<float>;

// distributions/bernoulli.hpp
PUSHFORWARD_INSTANCE class Bernoulli<float>;

// distributions/categorical.hpp
PUSHFORWARD_INSTANCE class Categorical<float>;

// bijectors/affine.hpp
PUSHFORWARD_INSTANCE struct ActNorm<float>;
PUSHFORWARD_INSTANCE struct LearnedAffine<float>;

// bijectors/chain.hpp
PUSHFORWARD_INSTANCE class Chain<float>;

// bijectors/bijector.hpp
PUSHFORWARD_INSTANCE class AnyBijector<float>;

// bijectors/coupling.hpp
PUSHFORWARD_INSTANCE class AffineCoupling<Mlp<float>>;
PUSHFORWARD_INSTANCE class AdditiveCoupling<Mlp<float>>;

// nn/time_mlp.hpp
PUSHFORWARD_INSTANCE struct TimeMlp<float>;

// nn/masked_linear.hpp
PUSHFORWARD_INSTANCE struct MaskedLinear<float>;

// nn/masked_mlp.hpp
PUSHFORWARD_INSTANCE struct MaskedMlp<float>;
PUSHFORWARD_INSTANCE class MaskedMlpSteps<float>;

// nn/spectral_norm.hpp
PUSHFORWARD_INSTANCE struct SpectralMlp<float>;

// bijectors/masked_autoregressive.hpp
PUSHFORWARD_INSTANCE class MaskedAutoregressive<MaskedMlp<float>>;

}  // namespace pushforward

namespace pushforward::init {

// nn/initializers.hpp
PUSHFORWARD_INSTANCE Tensor<float> zeros(const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<float> normal(const Shape& shape, Rng& rng, double deviation);
PUSHFORWARD_INSTANCE Tensor<float> xavier_uniform(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<float> xavier_normal(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<float> kaiming_uniform(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<float> kaiming_normal(const Shape& shape, Rng& rng, double gain);
PUSHFORWARD_INSTANCE Tensor<float> orthogonal(const Shape& shape, Rng& rng, double gain);

}  // namespace pushforward::init

namespace pushforward::init::detail {

// nn/initializers.hpp
PUSHFORWARD_INSTANCE Tensor<float> uniform_of_variance(const Shape& shape, Rng& rng, double variance);

}  // namespace pushforward::init::detail

namespace pushforward::data {

// data/digits.hpp
PUSHFORWARD_INSTANCE Digits<float> digits(Index n, Rng& rng, const DigitsOptions& options);

// data/idx.hpp
PUSHFORWARD_INSTANCE Tensor<float> read_idx(const std::string& path);

// data/mnist.hpp
PUSHFORWARD_INSTANCE LabeledImages<float> load_mnist(const std::string& directory, const MnistOptions& options);
PUSHFORWARD_INSTANCE LabeledImages<float> load_mnist(const std::string& directory, Split split);
PUSHFORWARD_INSTANCE Tensor<float> load_binarized_mnist(const std::string& directory, const MnistOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> load_binarized_mnist(const std::string& directory, Split split);

// data/preprocessing.hpp
PUSHFORWARD_INSTANCE Tensor<float> dequantize(const Tensor<float>& x, Rng& rng, Index levels);
PUSHFORWARD_INSTANCE Tensor<float> binarize(const Tensor<float>& x, Rng& rng);
PUSHFORWARD_INSTANCE WithLogDet<float> logit_transform(const Tensor<float>& x, double alpha);
PUSHFORWARD_INSTANCE WithLogDet<float> inverse_logit_transform(const Tensor<float>& y, double alpha);
PUSHFORWARD_INSTANCE Parts<Tensor<float>> train_validation_split(const Tensor<float>& x, double fraction, Rng& rng);

// data/toy_curves.hpp
PUSHFORWARD_INSTANCE Tensor<float> two_moons(Index n, Rng& rng, const TwoMoonsOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> circles(Index n, Rng& rng, const CirclesOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> rings(Index n, Rng& rng, const RingsOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> two_spirals(Index n, Rng& rng, const TwoSpiralsOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> swiss_roll(Index n, Rng& rng, const SwissRollOptions& options);

// data/toy_gaussians.hpp
PUSHFORWARD_INSTANCE Tensor<float> eight_gaussians(Index n, Rng& rng, const EightGaussiansOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> grid_gaussians(Index n, Rng& rng, const GridGaussiansOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> pinwheel(Index n, Rng& rng, const PinwheelOptions& options);
PUSHFORWARD_INSTANCE Tensor<float> checkerboard(Index n, Rng& rng, const CheckerboardOptions& options);

}  // namespace pushforward::data

namespace pushforward::data::detail {

// data/idx.hpp
PUSHFORWARD_INSTANCE float idx_value(const std::uint8_t* bytes, std::uint8_t type);

// data/toy.hpp
PUSHFORWARD_INSTANCE void check_points(const char* name, const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> hessian_product(const SharedMixture& mixture, const Tensor<float>& x,
                                                   const Tensor<float>& g);
PUSHFORWARD_INSTANCE Tensor<float> score(const SharedMixture& mixture, const Tensor<float>& x);

}  // namespace pushforward::data::detail

namespace pushforward::plot {

// plot/curve.hpp
PUSHFORWARD_INSTANCE void curve(const std::string& path, const Tensor<float>& values, const CurveOptions& options);

// plot/field.hpp
PUSHFORWARD_INSTANCE Tensor<float> lattice(Range x, Range y, Index columns, Index rows);
PUSHFORWARD_INSTANCE void arrows(Figure& figure, Index row, Index column, const Tensor<float>& from,
                                 const Tensor<float>& vectors, const ArrowOptions& options);
PUSHFORWARD_INSTANCE void trajectories(Figure& figure, Index row, Index column, const Tensor<float>& states,
                                       const TrajectoryOptions& options);

// plot/image_grid.hpp
PUSHFORWARD_INSTANCE void image_grid(const std::string& path, const Tensor<float>& images,
                                     const ImageGridOptions& options);

// plot/scatter.hpp
PUSHFORWARD_INSTANCE void scatter(const std::string& path, const Tensor<float>& points, const ScatterOptions& options);

}  // namespace pushforward::plot

namespace pushforward::plot::detail {

// plot/density.hpp
PUSHFORWARD_INSTANCE Tensor<float> to_tensor(const std::vector<Point>& points);
PUSHFORWARD_INSTANCE Tensor<double> widened(const Tensor<float>& x);

// plot/image_grid.hpp
PUSHFORWARD_INSTANCE Tiles to_tiles(const Tensor<float>& images);

}  // namespace pushforward::plot::detail
