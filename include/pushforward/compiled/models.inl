// What the compiled library holds for float, from dynamics and models. A name that is missing here is compiled by each
// program that uses it, and nothing else changes.
//
// PUSHFORWARD_INSTANCE is `extern template` in a program and `template` in the library.

namespace pushforward::detail {

// dynamics/denoiser.hpp
PUSHFORWARD_INSTANCE Tensor<float> blend(double x_scale, const Tensor<float>& x, double y_scale,
                                         const Tensor<float>& y);

// dynamics/divergence.hpp
PUSHFORWARD_INSTANCE Tensor<float> unit_columns(const Shape& shape, Index i);

// dynamics/langevin.hpp
PUSHFORWARD_INSTANCE void check_chains(const char* name, const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> checked_score(const char* name, Tensor<float> slope, const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> langevin_step(const Tensor<float>& x, const Tensor<float>& slope,
                                                 const Tensor<float>& e, double step, double noise);
PUSHFORWARD_INSTANCE Tensor<float> log_proposal(const Tensor<float>& to, const Tensor<float>& from,
                                                const Tensor<float>& slope, double step);
PUSHFORWARD_INSTANCE Tensor<float> accepted(const LangevinPoint<float>& from, const LangevinPoint<float>& to,
                                            double step, Rng& rng);

// dynamics/log_partition.hpp
PUSHFORWARD_INSTANCE LangevinPoint<float> chosen(const Tensor<float>& yes, const LangevinPoint<float>& a,
                                                 const LangevinPoint<float>& b);

// dynamics/mlp_divergence_kernel.hpp
PUSHFORWARD_INSTANCE TwoLayerLoops<float> two_layer_loops(Activation activation);
PUSHFORWARD_INSTANCE Tensor<float> two_layer_values(const TwoLayerKernel<float>& kernel, const Tensor<float>& x,
                                                    const Tensor<float>& weights, const Tensor<float>& time,
                                                    const Tensor<float>& kept);
PUSHFORWARD_INSTANCE std::array<Tensor<float>, 2> two_layer_rule(const TwoLayerKernel<float>& kernel,
                                                                 const Tensor<float>& g, const Tensor<float>& x,
                                                                 const Tensor<float>& weights,
                                                                 const Tensor<float>& time, const Tensor<float>& kept);
PUSHFORWARD_INSTANCE Tensor<float> activation_slope(Activation activation, const Tensor<float>& z,
                                                    const Tensor<float>& h);
PUSHFORWARD_INSTANCE Tensor<float> two_layer_reference(const TwoLayers& shape, Activation activation,
                                                       const Tensor<float>& x, const Tensor<float>& weights,
                                                       const Tensor<float>& time);
PUSHFORWARD_INSTANCE Tensor<float> two_layer_field(const TwoLayerKernel<float>& kernel, const Tensor<float>& x,
                                                   const Tensor<float>& weights, const Tensor<float>& time,
                                                   Activation activation);

// dynamics/ode.hpp
PUSHFORWARD_INSTANCE std::span<const Tensor<float>> state_parts(const Tensor<float>& x);
PUSHFORWARD_INSTANCE std::span<Tensor<float>> state_parts(Tensor<float>& x);
PUSHFORWARD_INSTANCE double worst_row(const Tensor<float>& e, const Tensor<float>& x, const Tensor<float>& y,
                                      const DormandPrince& tolerance);

// models/flow.hpp
PUSHFORWARD_INSTANCE Mlp<float> coupling_network(Index in, const std::vector<Index>& hidden, Index out,
                                                 Activation activation, Rng& rng);

}  // namespace pushforward::detail

namespace pushforward {

// dynamics/denoiser.hpp
PUSHFORWARD_INSTANCE Tensor<float> perturb(const GaussianPath& path, const Tensor<float>& data,
                                           const Tensor<float>& noise, const Tensor<float>& t);

// dynamics/divergence.hpp
PUSHFORWARD_INSTANCE VelocityAndDivergence<float> velocity_and_divergence(const TimeMlp<float>& net,
                                                                          const Tensor<float>& x, double t);
PUSHFORWARD_INSTANCE MlpDivergence<float> with_divergence(const TimeMlp<float>& net);

// dynamics/ode_likelihood.hpp
PUSHFORWARD_INSTANCE Tensor<float> draw_probe(Probe kind, const Shape& shape, Rng& rng);

// dynamics/path.hpp
PUSHFORWARD_INSTANCE Tensor<float> per_row(const Tensor<float>& numbers, const Tensor<float>& x);

// dynamics/samplers.hpp
PUSHFORWARD_INSTANCE Tensor<float> initial_noise(const GaussianPath& path, const Shape& shape, Rng& rng);

// models/autoregressive.hpp
PUSHFORWARD_INSTANCE Made<BernoulliConditional, float> made_bernoulli(const MadeOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE Made<GaussianMixtureConditional, float> made_gaussian_mixture(
    const MadeGaussianMixtureOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE class Autoregressive<MaskedMlp<float>, BernoulliConditional>;
PUSHFORWARD_INSTANCE class Autoregressive<MaskedMlp<float>, GaussianMixtureConditional>;

// models/continuous_flow.hpp
PUSHFORWARD_INSTANCE ContinuousFlow<TimeMlp<float>> continuous_flow(const ContinuousFlowNetwork& network, Rng& rng,
                                                                    const ContinuousFlowOptions& options);
PUSHFORWARD_INSTANCE class ContinuousFlow<TimeMlp<float>>;

// models/diffusion.hpp
PUSHFORWARD_INSTANCE Diffusion<TimeMlp<float>> ddpm(const DdpmOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE Diffusion<ScoreNetwork<TimeMlp<float>>> noise_conditional_score(
    const NoiseConditionalScoreOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE class Diffusion<TimeMlp<float>>;

// models/flow.hpp
PUSHFORWARD_INSTANCE Flow<Normal<float>, Chain<float>> real_nvp(const RealNvpOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE Flow<Normal<float>, Chain<float>> nice(const NiceOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE Flow<Normal<float>, Chain<float>> neural_spline_flow(const NeuralSplineFlowOptions& options,
                                                                          Rng& rng);
PUSHFORWARD_INSTANCE class Flow<Normal<float>, Chain<float>>;

// models/flow_matching.hpp
PUSHFORWARD_INSTANCE Tensor<float> optimal_transport_pairs(const Tensor<float>& noise, const Tensor<float>& data);
PUSHFORWARD_INSTANCE FlowMatching<TimeMlp<float>> flow_matching_model(const FlowMatchingModelOptions& options,
                                                                      Rng& rng);
PUSHFORWARD_INSTANCE class FlowMatching<TimeMlp<float>>;

// models/masked_flow.hpp
PUSHFORWARD_INSTANCE Flow<Normal<float>, Chain<float>> masked_autoregressive_flow(
    const MaskedAutoregressiveFlowOptions& options, Rng& rng);

// dynamics/gaussian_mixture.hpp
PUSHFORWARD_INSTANCE class GaussianMixtureDenoiser<float>;

// dynamics/replay_buffer.hpp
PUSHFORWARD_INSTANCE class ReplayBuffer<float>;

}  // namespace pushforward
