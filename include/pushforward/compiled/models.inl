// What the compiled library holds for one scalar type, from dynamics and models. A name that is missing here is
// compiled by each program that uses it, and nothing else changes.
//
// PUSHFORWARD_INSTANCE is `extern template` in a program and `template` in the library; PUSHFORWARD_SCALAR is the type.

namespace pushforward::detail {

// dynamics/denoiser.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> blend(double x_scale, const Tensor<PUSHFORWARD_SCALAR>& x,
                                                      double y_scale, const Tensor<PUSHFORWARD_SCALAR>& y);

// dynamics/divergence.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> unit_columns(const Shape& shape, Index i);

// dynamics/langevin.hpp
PUSHFORWARD_INSTANCE void check_chains(const char* name, const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> checked_score(const char* name, Tensor<PUSHFORWARD_SCALAR> slope,
                                                              const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> langevin_step(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                              const Tensor<PUSHFORWARD_SCALAR>& slope,
                                                              const Tensor<PUSHFORWARD_SCALAR>& e, double step,
                                                              double noise);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> log_proposal(const Tensor<PUSHFORWARD_SCALAR>& to,
                                                             const Tensor<PUSHFORWARD_SCALAR>& from,
                                                             const Tensor<PUSHFORWARD_SCALAR>& slope, double step);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> accepted(const LangevinPoint<PUSHFORWARD_SCALAR>& from,
                                                         const LangevinPoint<PUSHFORWARD_SCALAR>& to, double step,
                                                         Rng& rng);

// dynamics/log_partition.hpp
PUSHFORWARD_INSTANCE LangevinPoint<PUSHFORWARD_SCALAR> chosen(const Tensor<PUSHFORWARD_SCALAR>& yes,
                                                              const LangevinPoint<PUSHFORWARD_SCALAR>& a,
                                                              const LangevinPoint<PUSHFORWARD_SCALAR>& b);

// dynamics/mlp_divergence_kernel.hpp
PUSHFORWARD_INSTANCE TwoLayerLoops<PUSHFORWARD_SCALAR> two_layer_loops(Activation activation);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> two_layer_values(const TwoLayerKernel<PUSHFORWARD_SCALAR>& kernel,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& weights,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& time,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& kept);
PUSHFORWARD_INSTANCE std::array<Tensor<PUSHFORWARD_SCALAR>, 2> two_layer_rule(
    const TwoLayerKernel<PUSHFORWARD_SCALAR>& kernel, const Tensor<PUSHFORWARD_SCALAR>& g,
    const Tensor<PUSHFORWARD_SCALAR>& x, const Tensor<PUSHFORWARD_SCALAR>& weights,
    const Tensor<PUSHFORWARD_SCALAR>& time, const Tensor<PUSHFORWARD_SCALAR>& kept);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> activation_slope(Activation activation,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& z,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& h);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> two_layer_reference(const TwoLayers& shape, Activation activation,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& weights,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& time);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> two_layer_field(const TwoLayerKernel<PUSHFORWARD_SCALAR>& kernel,
                                                                const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                const Tensor<PUSHFORWARD_SCALAR>& weights,
                                                                const Tensor<PUSHFORWARD_SCALAR>& time,
                                                                Activation activation);

// dynamics/ode.hpp
PUSHFORWARD_INSTANCE std::span<const Tensor<PUSHFORWARD_SCALAR>> state_parts(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE std::span<Tensor<PUSHFORWARD_SCALAR>> state_parts(Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE double worst_row(const Tensor<PUSHFORWARD_SCALAR>& e, const Tensor<PUSHFORWARD_SCALAR>& x,
                                      const Tensor<PUSHFORWARD_SCALAR>& y, const DormandPrince& tolerance);

// models/flow.hpp
PUSHFORWARD_INSTANCE Mlp<PUSHFORWARD_SCALAR> coupling_network(Index in, const std::vector<Index>& hidden, Index out,
                                                              Activation activation, Rng& rng);

}  // namespace pushforward::detail

namespace pushforward {

// dynamics/denoiser.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> perturb(const GaussianPath& path,
                                                        const Tensor<PUSHFORWARD_SCALAR>& data,
                                                        const Tensor<PUSHFORWARD_SCALAR>& noise,
                                                        const Tensor<PUSHFORWARD_SCALAR>& t);

// dynamics/divergence.hpp
PUSHFORWARD_INSTANCE VelocityAndDivergence<PUSHFORWARD_SCALAR> velocity_and_divergence(
    const TimeMlp<PUSHFORWARD_SCALAR>& net, const Tensor<PUSHFORWARD_SCALAR>& x, double t);
PUSHFORWARD_INSTANCE MlpDivergence<PUSHFORWARD_SCALAR> with_divergence(const TimeMlp<PUSHFORWARD_SCALAR>& net);

// dynamics/ode_likelihood.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> draw_probe(Probe kind, const Shape& shape, Rng& rng);

// dynamics/path.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> per_row(const Tensor<PUSHFORWARD_SCALAR>& numbers,
                                                        const Tensor<PUSHFORWARD_SCALAR>& x);

// dynamics/samplers.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> initial_noise(const GaussianPath& path, const Shape& shape, Rng& rng);

// models/autoregressive.hpp
PUSHFORWARD_INSTANCE Made<BernoulliConditional, PUSHFORWARD_SCALAR> made_bernoulli(const MadeOptions& options,
                                                                                   Rng& rng);
PUSHFORWARD_INSTANCE Made<GaussianMixtureConditional, PUSHFORWARD_SCALAR> made_gaussian_mixture(
    const MadeGaussianMixtureOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE class Autoregressive<MaskedMlp<PUSHFORWARD_SCALAR>, BernoulliConditional>;
PUSHFORWARD_INSTANCE class Autoregressive<MaskedMlp<PUSHFORWARD_SCALAR>, GaussianMixtureConditional>;

// models/continuous_flow.hpp
PUSHFORWARD_INSTANCE ContinuousFlow<TimeMlp<PUSHFORWARD_SCALAR>> continuous_flow(const ContinuousFlowNetwork& network,
                                                                                 Rng& rng,
                                                                                 const ContinuousFlowOptions& options);
PUSHFORWARD_INSTANCE class ContinuousFlow<TimeMlp<PUSHFORWARD_SCALAR>>;

// models/diffusion.hpp
PUSHFORWARD_INSTANCE Diffusion<TimeMlp<PUSHFORWARD_SCALAR>> ddpm(const DdpmOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE Diffusion<ScoreNetwork<TimeMlp<PUSHFORWARD_SCALAR>>> noise_conditional_score(
    const NoiseConditionalScoreOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE class Diffusion<TimeMlp<PUSHFORWARD_SCALAR>>;

// models/flow.hpp
PUSHFORWARD_INSTANCE Flow<Normal<PUSHFORWARD_SCALAR>, Chain<PUSHFORWARD_SCALAR>> real_nvp(const RealNvpOptions& options,
                                                                                          Rng& rng);
PUSHFORWARD_INSTANCE Flow<Normal<PUSHFORWARD_SCALAR>, Chain<PUSHFORWARD_SCALAR>> nice(const NiceOptions& options,
                                                                                      Rng& rng);
PUSHFORWARD_INSTANCE Flow<Normal<PUSHFORWARD_SCALAR>, Chain<PUSHFORWARD_SCALAR>> neural_spline_flow(
    const NeuralSplineFlowOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE class Flow<Normal<PUSHFORWARD_SCALAR>, Chain<PUSHFORWARD_SCALAR>>;

// models/flow_matching.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> optimal_transport_pairs(const Tensor<PUSHFORWARD_SCALAR>& noise,
                                                                        const Tensor<PUSHFORWARD_SCALAR>& data);
PUSHFORWARD_INSTANCE FlowMatching<TimeMlp<PUSHFORWARD_SCALAR>> flow_matching_model(
    const FlowMatchingModelOptions& options, Rng& rng);
PUSHFORWARD_INSTANCE class FlowMatching<TimeMlp<PUSHFORWARD_SCALAR>>;

// models/masked_flow.hpp
PUSHFORWARD_INSTANCE Flow<Normal<PUSHFORWARD_SCALAR>, Chain<PUSHFORWARD_SCALAR>> masked_autoregressive_flow(
    const MaskedAutoregressiveFlowOptions& options, Rng& rng);

// dynamics/gaussian_mixture.hpp
PUSHFORWARD_INSTANCE class GaussianMixtureDenoiser<PUSHFORWARD_SCALAR>;

// dynamics/replay_buffer.hpp
PUSHFORWARD_INSTANCE class ReplayBuffer<PUSHFORWARD_SCALAR>;

}  // namespace pushforward
