// What the compiled library holds for one scalar type, from the tensor core. A name that is missing here is compiled by
// each program that uses it, and nothing else changes.
//
// PUSHFORWARD_INSTANCE is `extern template` in a program and `template` in the library; PUSHFORWARD_SCALAR is the type.

namespace pushforward::detail {

// core/random.hpp
PUSHFORWARD_INSTANCE void fill_uniform(PUSHFORWARD_SCALAR* out, Index n, PUSHFORWARD_SCALAR low,
                                       PUSHFORWARD_SCALAR high, Rng& rng);
PUSHFORWARD_INSTANCE void fill_normal(PUSHFORWARD_SCALAR* out, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_exponential(PUSHFORWARD_SCALAR* out, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_gumbel(PUSHFORWARD_SCALAR* out, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_bernoulli(PUSHFORWARD_SCALAR* out, const PUSHFORWARD_SCALAR* p, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_gamma(PUSHFORWARD_SCALAR* out, const PUSHFORWARD_SCALAR* alpha, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_log_gamma(PUSHFORWARD_SCALAR* out, const PUSHFORWARD_SCALAR* alpha, Index n, Rng& rng);

// autodiff/functional.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> inner_product(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                              const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE std::vector<Ref<Node<PUSHFORWARD_SCALAR>>> leaves_of(const Tensor<PUSHFORWARD_SCALAR>& y,
                                                                          const Node<PUSHFORWARD_SCALAR>* except);

// autodiff/gradient.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> accumulate(Tensor<PUSHFORWARD_SCALAR> a,
                                                           const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> loss_seed(const Tensor<PUSHFORWARD_SCALAR>& loss);
PUSHFORWARD_INSTANCE class NodeIndex<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE class Backward<PUSHFORWARD_SCALAR>;

// autodiff/record.hpp
PUSHFORWARD_INSTANCE void check_finite(const char* name, const Tensor<PUSHFORWARD_SCALAR>& value);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> record_edges(const char* name, Tensor<PUSHFORWARD_SCALAR> output,
                                                             Edge<PUSHFORWARD_SCALAR>* edges, int count);
PUSHFORWARD_INSTANCE class Rule<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE class RuleNode<PUSHFORWARD_SCALAR>;

// autodiff/tensor.hpp
PUSHFORWARD_INSTANCE bool is_recorded(const Tensor<PUSHFORWARD_SCALAR>& tensor);

// ops/arithmetic.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> affine_number(const char* name, const Tensor<PUSHFORWARD_SCALAR>& x,
                                                              PUSHFORWARD_SCALAR slope, PUSHFORWARD_SCALAR offset);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> winner(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                       const Tensor<PUSHFORWARD_SCALAR>& other, bool largest);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> extremum(const char* name, const Tensor<PUSHFORWARD_SCALAR>& a,
                                                         const Tensor<PUSHFORWARD_SCALAR>& b, bool largest);

// ops/broadcast.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> expand_values(const Tensor<PUSHFORWARD_SCALAR>& x, const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> broadcast_loop(const char* name,
                                                               const BinaryLoop<PUSHFORWARD_SCALAR>& loop,
                                                               const Tensor<PUSHFORWARD_SCALAR>& a,
                                                               const Tensor<PUSHFORWARD_SCALAR>& b);

// ops/elementwise.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> evaluate_term(const ElementwiseTerm<PUSHFORWARD_SCALAR>& term);
PUSHFORWARD_INSTANCE class ElementwiseNode<PUSHFORWARD_SCALAR>;

// ops/gemm.hpp
PUSHFORWARD_INSTANCE const GemmKernels<PUSHFORWARD_SCALAR>& gemm_kernels();
PUSHFORWARD_INSTANCE void gemm_dots(const GemmProblem<PUSHFORWARD_SCALAR>& p, bool flipped);
PUSHFORWARD_INSTANCE void gemm_run(const GemmProblem<PUSHFORWARD_SCALAR>& p);
PUSHFORWARD_INSTANCE void gemm(Index m, Index n, Index k, const PUSHFORWARD_SCALAR* a, Index lda,
                               const PUSHFORWARD_SCALAR* b, Index ldb, PUSHFORWARD_SCALAR* c, Index ldc,
                               GemmOptions options, const PUSHFORWARD_SCALAR* bias, Epilogue epilogue);
PUSHFORWARD_INSTANCE void gemm_batched(Index batch, Index m, Index n, Index k, const PUSHFORWARD_SCALAR* a, Index lda,
                                       Index stride_a, const PUSHFORWARD_SCALAR* b, Index ldb, Index stride_b,
                                       PUSHFORWARD_SCALAR* c, Index ldc, Index stride_c, GemmOptions options,
                                       const PUSHFORWARD_SCALAR* bias, Epilogue epilogue);
PUSHFORWARD_INSTANCE class GemmTiling<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE struct GemmProblem<PUSHFORWARD_SCALAR>;

// ops/indexing.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> add_rows(const Tensor<PUSHFORWARD_SCALAR>& x, const Shape& shape,
                                                         int axis, const Tensor<Index>& index);
PUSHFORWARD_INSTANCE Sorted<PUSHFORWARD_SCALAR> sort_rows(const Tensor<PUSHFORWARD_SCALAR>& x, Index keep,
                                                          bool descending);

// ops/linalg.hpp
PUSHFORWARD_INSTANCE Index square_length(const char* name, const Tensor<PUSHFORWARD_SCALAR>& a);
PUSHFORWARD_INSTANCE Index cholesky_kernel(const PUSHFORWARD_SCALAR* a, PUSHFORWARD_SCALAR* l, Index n);
PUSHFORWARD_INSTANCE Index triangular_kernel(const PUSHFORWARD_SCALAR* a, PUSHFORWARD_SCALAR* x, Index n, Index k,
                                             TriangularOptions t);
PUSHFORWARD_INSTANCE Index eliminate(PUSHFORWARD_SCALAR* m, PUSHFORWARD_SCALAR* x, Index n, Index k);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> solve_values(const char* name, const Tensor<PUSHFORWARD_SCALAR>& a,
                                                             const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> inverse_of(const char* name, const Tensor<PUSHFORWARD_SCALAR>& a);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> halved_lower(Index n);
PUSHFORWARD_INSTANCE std::pair<Tensor<PUSHFORWARD_SCALAR>, Tensor<PUSHFORWARD_SCALAR>> aligned(
    const char* name, const Tensor<PUSHFORWARD_SCALAR>& a, const Tensor<PUSHFORWARD_SCALAR>& b);

// ops/linear_combination.hpp
PUSHFORWARD_INSTANCE void combine_strip(int count, const PUSHFORWARD_SCALAR* w, const PUSHFORWARD_SCALAR* const* x,
                                        Index begin, Index n, PUSHFORWARD_SCALAR* out);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> combine_values(const LinearTerms<PUSHFORWARD_SCALAR>& terms);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> combine(const LinearTerms<PUSHFORWARD_SCALAR>& terms);

// ops/matmul.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> matmul_values(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                              const Tensor<PUSHFORWARD_SCALAR>& b, MatmulOptions t,
                                                              const Shape& result);
PUSHFORWARD_INSTANCE void check_linear(const Tensor<PUSHFORWARD_SCALAR>& x, const Tensor<PUSHFORWARD_SCALAR>& weight,
                                       const Tensor<PUSHFORWARD_SCALAR>& bias);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> record_linear(Tensor<PUSHFORWARD_SCALAR> values,
                                                              const Tensor<PUSHFORWARD_SCALAR>& x,
                                                              const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                              const Tensor<PUSHFORWARD_SCALAR>& bias);
PUSHFORWARD_INSTANCE const PUSHFORWARD_SCALAR* data_or_null(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> record_activation(const ActivationLoops<PUSHFORWARD_SCALAR>& f,
                                                                  const Tensor<PUSHFORWARD_SCALAR>& z,
                                                                  Tensor<PUSHFORWARD_SCALAR> y);
PUSHFORWARD_INSTANCE ActivationLoops<PUSHFORWARD_SCALAR> activation_loops(Activation activation);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> linear_activated(Activation activation,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& bias);

// ops/reductions.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sum_over(const Tensor<PUSHFORWARD_SCALAR>& x, const Reduction& r,
                                                         bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> product_last(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> product_over(const Tensor<PUSHFORWARD_SCALAR>& x, const Reduction& r,
                                                             bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> logsumexp_over(const Tensor<PUSHFORWARD_SCALAR>& x, const Reduction& r,
                                                               bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> norm_of_squares(const Tensor<PUSHFORWARD_SCALAR>& squares);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> cumulative_sum(const Tensor<PUSHFORWARD_SCALAR>& x, int axis,
                                                               bool backwards);

// ops/shape_ops.hpp
PUSHFORWARD_INSTANCE void read_walk(const Walk& walk, const PUSHFORWARD_SCALAR* in, PUSHFORWARD_SCALAR* out);
PUSHFORWARD_INSTANCE void write_walk(const Walk& walk, const PUSHFORWARD_SCALAR* in, PUSHFORWARD_SCALAR* out);
PUSHFORWARD_INSTANCE void transpose_matrix(const PUSHFORWARD_SCALAR* __restrict in, Index rows, Index columns,
                                           PUSHFORWARD_SCALAR* __restrict out);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> place_range(const Tensor<PUSHFORWARD_SCALAR>& x, const Shape& shape,
                                                            const AxisRange& range);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> take_range(const Tensor<PUSHFORWARD_SCALAR>& x, const AxisRange& range);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> triangle(const char* name, const Tensor<PUSHFORWARD_SCALAR>& x,
                                                         Index diagonal, bool lower);
PUSHFORWARD_INSTANCE class ConcatNode<PUSHFORWARD_SCALAR>;

// ops/attention.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> plain_attention(const Tensor<PUSHFORWARD_SCALAR>& q,
                                                                const Tensor<PUSHFORWARD_SCALAR>& k,
                                                                const Tensor<PUSHFORWARD_SCALAR>& v,
                                                                const AttentionSizes& sizes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> split_heads(const Tensor<PUSHFORWARD_SCALAR>& x, Index heads);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> merge_heads(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> self_attention(const Tensor<PUSHFORWARD_SCALAR>& qkv, Index heads,
                                                               const AttentionOptions& options);

// ops/convolution.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> convolve(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                         const Tensor<PUSHFORWARD_SCALAR>& w, const ConvGeometry& c);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> convolve_transposed(const Tensor<PUSHFORWARD_SCALAR>& g,
                                                                    const Tensor<PUSHFORWARD_SCALAR>& w,
                                                                    const ConvGeometry& c);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> convolve_to_weight(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                   const Tensor<PUSHFORWARD_SCALAR>& g,
                                                                   const ConvGeometry& c);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conv_to_bias(const Tensor<PUSHFORWARD_SCALAR>& g, const Shape& bias);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> record_conv(Tensor<PUSHFORWARD_SCALAR> values,
                                                            const Tensor<PUSHFORWARD_SCALAR>& x,
                                                            const Tensor<PUSHFORWARD_SCALAR>& w,
                                                            const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                            const ConvGeometry& c);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> record_conv_transposed(Tensor<PUSHFORWARD_SCALAR> values,
                                                                       const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                       const Tensor<PUSHFORWARD_SCALAR>& w,
                                                                       const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                                       const ConvGeometry& c);

// ops/images.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> map_planes(
    const char* name, const Tensor<PUSHFORWARD_SCALAR>& x,
    const std::shared_ptr<const PlaneMap<PUSHFORWARD_SCALAR>>& map);

// ops/rotary.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> rotate(const Tensor<PUSHFORWARD_SCALAR>& x, const RotarySizes& sizes,
                                                       PUSHFORWARD_SCALAR direction);

// autodiff/node.hpp
PUSHFORWARD_INSTANCE class Cotangents<PUSHFORWARD_SCALAR>;
PUSHFORWARD_INSTANCE class Leaf<PUSHFORWARD_SCALAR>;

}  // namespace pushforward::detail

namespace pushforward {

// autodiff/tensor.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> variable(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> stop_gradient(const Tensor<PUSHFORWARD_SCALAR>& x);

// ops/arithmetic.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator*(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                          const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sum_to(const Tensor<PUSHFORWARD_SCALAR>& x, const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator+(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                          const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator-(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator-(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                          const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator/(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                          const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator>(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                          const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator>=(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                           const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator<(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                          const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> operator<=(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                           const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> equal(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                      const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> not_equal(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                          const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> where(const Tensor<PUSHFORWARD_SCALAR>& mask,
                                                      const Tensor<PUSHFORWARD_SCALAR>& a,
                                                      const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> maximum(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                        const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> minimum(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                        const Tensor<PUSHFORWARD_SCALAR>& b);

// ops/assignment.hpp
PUSHFORWARD_INSTANCE Tensor<Index> assignment(const Tensor<PUSHFORWARD_SCALAR>& cost);

// ops/attention.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> scaled_dot_product_attention(const Tensor<PUSHFORWARD_SCALAR>& q,
                                                                             const Tensor<PUSHFORWARD_SCALAR>& k,
                                                                             const Tensor<PUSHFORWARD_SCALAR>& v,
                                                                             const AttentionOptions& options);

// ops/convolution.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conv2d(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                       const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                       const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                       const Conv2dOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conv2d(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                       const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                       const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                       const Conv2dOptions& options, Activation activation);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conv_transpose2d(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                                 const ConvTranspose2dOptions& options);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conv_transpose2d(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                                 const ConvTranspose2dOptions& options,
                                                                 Activation activation);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conv1d(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                       const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                       const Tensor<PUSHFORWARD_SCALAR>& bias, const Conv1dOptions& o);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> conv_transpose1d(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& bias,
                                                                 const ConvTranspose1dOptions& o);

// ops/images.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> max_pool2d(const Tensor<PUSHFORWARD_SCALAR>& x, const Pool2dOptions& o);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> average_pool2d(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                               const Pool2dOptions& o);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> resize(const Tensor<PUSHFORWARD_SCALAR>& x, Size2 size, ResizeMode how);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> pixel_shuffle(const Tensor<PUSHFORWARD_SCALAR>& x, Index factor);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> pixel_unshuffle(const Tensor<PUSHFORWARD_SCALAR>& x, Index factor);

// ops/rotary.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> rotary_embedding(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                 const RotaryOptions& options);

// ops/broadcast.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> expand(const Tensor<PUSHFORWARD_SCALAR>& x, const Shape& shape);

// ops/indexing.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> scatter_add(const Tensor<PUSHFORWARD_SCALAR>& x, int axis,
                                                            const Tensor<Index>& index,
                                                            const Tensor<PUSHFORWARD_SCALAR>& source);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> gather(const Tensor<PUSHFORWARD_SCALAR>& x, int axis,
                                                       const Tensor<Index>& index);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> index_select(const Tensor<PUSHFORWARD_SCALAR>& x, int axis,
                                                             const Tensor<Index>& index);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> one_hot(const Tensor<Index>& labels, Index classes);
PUSHFORWARD_INSTANCE Sorted<PUSHFORWARD_SCALAR> sort(const Tensor<PUSHFORWARD_SCALAR>& x, bool descending);
PUSHFORWARD_INSTANCE Sorted<PUSHFORWARD_SCALAR> top_k(const Tensor<PUSHFORWARD_SCALAR>& x, Index k);

// ops/linalg.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> solve_triangular(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                                 const Tensor<PUSHFORWARD_SCALAR>& b,
                                                                 TriangularOptions t);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> cholesky(const Tensor<PUSHFORWARD_SCALAR>& a);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> solve(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                      const Tensor<PUSHFORWARD_SCALAR>& b);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> inverse(const Tensor<PUSHFORWARD_SCALAR>& a);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> log_abs_det(const Tensor<PUSHFORWARD_SCALAR>& a);

// ops/math.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> exp(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sigmoid(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sin(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> cos(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> square(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> reciprocal(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> polygamma(int order, const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> log(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> log1p(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> expm1(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sqrt(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> rsqrt(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> tanh(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> softplus(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> silu(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> gelu(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> relu(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> leaky_relu(const Tensor<PUSHFORWARD_SCALAR>& x, double slope);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> elu(const Tensor<PUSHFORWARD_SCALAR>& x, double alpha);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> erf(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> erfinv(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> lgamma(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> digamma(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> abs(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sign(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> clamp(const Tensor<PUSHFORWARD_SCALAR>& x, double low, double high);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> pow(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                    const Tensor<PUSHFORWARD_SCALAR>& y);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> is_finite(const Tensor<PUSHFORWARD_SCALAR>& x);

// ops/matmul.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> matmul(const Tensor<PUSHFORWARD_SCALAR>& a,
                                                       const Tensor<PUSHFORWARD_SCALAR>& b, MatmulOptions t);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> linear(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                       const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                       const Tensor<PUSHFORWARD_SCALAR>& bias);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> linear(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                       const Tensor<PUSHFORWARD_SCALAR>& weight,
                                                       const Tensor<PUSHFORWARD_SCALAR>& bias, Activation activation);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> activate(const Tensor<PUSHFORWARD_SCALAR>& x, Activation activation);

// ops/random.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> uniform(const Shape& shape, Rng& rng, double low, double high);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> normal(const Shape& shape, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> exponential(const Shape& shape, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> gumbel(const Shape& shape, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> bernoulli(const Tensor<PUSHFORWARD_SCALAR>& p, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<Index> categorical(const Tensor<PUSHFORWARD_SCALAR>& logits, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> gamma(const Tensor<PUSHFORWARD_SCALAR>& alpha, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> log_gamma_draw(const Tensor<PUSHFORWARD_SCALAR>& alpha, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> beta(const Tensor<PUSHFORWARD_SCALAR>& alpha,
                                                     const Tensor<PUSHFORWARD_SCALAR>& beta, Rng& rng);

// ops/reductions.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sum(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sum(const Tensor<PUSHFORWARD_SCALAR>& x, const std::vector<int>& axes,
                                                    bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sum(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> sum(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                    std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> mean(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> mean(const Tensor<PUSHFORWARD_SCALAR>& x, const std::vector<int>& axes,
                                                     bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> mean(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> mean(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                     std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> prod(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> prod(const Tensor<PUSHFORWARD_SCALAR>& x, const std::vector<int>& axes,
                                                     bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> prod(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> prod(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                     std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> max(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> max(const Tensor<PUSHFORWARD_SCALAR>& x, const std::vector<int>& axes,
                                                    bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> max(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> max(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                    std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> min(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> min(const Tensor<PUSHFORWARD_SCALAR>& x, const std::vector<int>& axes,
                                                    bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> min(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> min(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                    std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<Index> argmax(const Tensor<PUSHFORWARD_SCALAR>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> var(const Tensor<PUSHFORWARD_SCALAR>& x, const std::vector<int>& axes,
                                                    bool keep_axes, int correction);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> var(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, bool keep_axes,
                                                    int correction);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> var(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                    std::initializer_list<int> axes, bool keep_axes, int correction);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> var(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> norm(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> norm(const Tensor<PUSHFORWARD_SCALAR>& x, const std::vector<int>& axes,
                                                     bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> norm(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> norm(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                     std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> logsumexp(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> logsumexp(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                          const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> logsumexp(const Tensor<PUSHFORWARD_SCALAR>& x, int axis,
                                                          bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> logsumexp(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                          std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> log_softmax(const Tensor<PUSHFORWARD_SCALAR>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> softmax(const Tensor<PUSHFORWARD_SCALAR>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> cumsum(const Tensor<PUSHFORWARD_SCALAR>& x, int axis);

// ops/shape_ops.hpp
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> reshape(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                        std::initializer_list<Index> lengths);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> reshape(const Tensor<PUSHFORWARD_SCALAR>& x, const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> flatten(const Tensor<PUSHFORWARD_SCALAR>& x);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> unsqueeze(const Tensor<PUSHFORWARD_SCALAR>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> squeeze(const Tensor<PUSHFORWARD_SCALAR>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> permute(const Tensor<PUSHFORWARD_SCALAR>& x, std::vector<int> order);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> transpose(const Tensor<PUSHFORWARD_SCALAR>& x, int i, int j);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> slice(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, Index start,
                                                      Index stop, Index step);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> select(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, Index index);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> flip(const Tensor<PUSHFORWARD_SCALAR>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> concat(const std::vector<Tensor<PUSHFORWARD_SCALAR>>& parts, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> concat(std::initializer_list<Tensor<PUSHFORWARD_SCALAR>> parts,
                                                       int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> stack(const std::vector<Tensor<PUSHFORWARD_SCALAR>>& parts, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> stack(std::initializer_list<Tensor<PUSHFORWARD_SCALAR>> parts,
                                                      int axis);
PUSHFORWARD_INSTANCE std::vector<Tensor<PUSHFORWARD_SCALAR>> split(const Tensor<PUSHFORWARD_SCALAR>& x,
                                                                   const std::vector<Index>& lengths, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> pad(const Tensor<PUSHFORWARD_SCALAR>& x, int axis, Index before,
                                                    Index after, double value);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> roll(const Tensor<PUSHFORWARD_SCALAR>& x, Index shift, int axis);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> tril(const Tensor<PUSHFORWARD_SCALAR>& x, Index diagonal);
PUSHFORWARD_INSTANCE Tensor<PUSHFORWARD_SCALAR> triu(const Tensor<PUSHFORWARD_SCALAR>& x, Index diagonal);

}  // namespace pushforward
