// What the compiled library holds for float, from the tensor core. A name that is missing here is compiled by each
// program that uses it, and nothing else changes.
//
// PUSHFORWARD_INSTANCE is `extern template` in a program and `template` in the library.

namespace pushforward::detail {

// core/random.hpp
PUSHFORWARD_INSTANCE void fill_uniform(float* out, Index n, float low, float high, Rng& rng);
PUSHFORWARD_INSTANCE void fill_normal(float* out, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_exponential(float* out, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_gumbel(float* out, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_bernoulli(float* out, const float* p, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_gamma(float* out, const float* alpha, Index n, Rng& rng);
PUSHFORWARD_INSTANCE void fill_log_gamma(float* out, const float* alpha, Index n, Rng& rng);

// autodiff/functional.hpp
PUSHFORWARD_INSTANCE Tensor<float> inner_product(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE std::vector<Ref<Node<float>>> leaves_of(const Tensor<float>& y, const Node<float>* except);

// autodiff/gradient.hpp
PUSHFORWARD_INSTANCE Tensor<float> accumulate(Tensor<float> a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> loss_seed(const Tensor<float>& loss);
PUSHFORWARD_INSTANCE class NodeIndex<float>;
PUSHFORWARD_INSTANCE class Backward<float>;

// autodiff/record.hpp
PUSHFORWARD_INSTANCE void check_finite(const char* name, const Tensor<float>& value);
PUSHFORWARD_INSTANCE Tensor<float> record_edges(const char* name, Tensor<float> output, Edge<float>* edges, int count);
PUSHFORWARD_INSTANCE class Rule<float>;
PUSHFORWARD_INSTANCE class RuleNode<float>;

// autodiff/tensor.hpp
PUSHFORWARD_INSTANCE bool is_recorded(const Tensor<float>& tensor);

// ops/arithmetic.hpp
PUSHFORWARD_INSTANCE Tensor<float> affine_number(const char* name, const Tensor<float>& x, float slope, float offset);
PUSHFORWARD_INSTANCE Tensor<float> winner(const Tensor<float>& x, const Tensor<float>& other, bool largest);
PUSHFORWARD_INSTANCE Tensor<float> extremum(const char* name, const Tensor<float>& a, const Tensor<float>& b,
                                            bool largest);

// ops/broadcast.hpp
PUSHFORWARD_INSTANCE Tensor<float> expand_values(const Tensor<float>& x, const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<float> broadcast_loop(const char* name, const BinaryLoop<float>& loop,
                                                  const Tensor<float>& a, const Tensor<float>& b);

// ops/elementwise.hpp
PUSHFORWARD_INSTANCE Tensor<float> evaluate_term(const ElementwiseTerm<float>& term);
PUSHFORWARD_INSTANCE class ElementwiseNode<float>;

// ops/gemm.hpp
PUSHFORWARD_INSTANCE const GemmKernels<float>& gemm_kernels();
PUSHFORWARD_INSTANCE void gemm_dots(const GemmProblem<float>& p, bool flipped);
PUSHFORWARD_INSTANCE void gemm_run(const GemmProblem<float>& p);
PUSHFORWARD_INSTANCE void gemm(Index m, Index n, Index k, const float* a, Index lda, const float* b, Index ldb,
                               float* c, Index ldc, GemmOptions options, const float* bias, Epilogue epilogue);
PUSHFORWARD_INSTANCE void gemm_batched(Index batch, Index m, Index n, Index k, const float* a, Index lda,
                                       Index stride_a, const float* b, Index ldb, Index stride_b, float* c, Index ldc,
                                       Index stride_c, GemmOptions options, const float* bias, Epilogue epilogue);
PUSHFORWARD_INSTANCE class GemmTiling<float>;
PUSHFORWARD_INSTANCE struct GemmProblem<float>;

// ops/indexing.hpp
PUSHFORWARD_INSTANCE Tensor<float> add_rows(const Tensor<float>& x, const Shape& shape, int axis,
                                            const Tensor<Index>& index);
PUSHFORWARD_INSTANCE Sorted<float> sort_rows(const Tensor<float>& x, Index keep, bool descending);

// ops/linalg.hpp
PUSHFORWARD_INSTANCE Index square_length(const char* name, const Tensor<float>& a);
PUSHFORWARD_INSTANCE Index cholesky_kernel(const float* a, float* l, Index n);
PUSHFORWARD_INSTANCE Index triangular_kernel(const float* a, float* x, Index n, Index k, TriangularOptions t);
PUSHFORWARD_INSTANCE Index eliminate(float* m, float* x, Index n, Index k);
PUSHFORWARD_INSTANCE Tensor<float> solve_values(const char* name, const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> inverse_of(const char* name, const Tensor<float>& a);
PUSHFORWARD_INSTANCE Tensor<float> halved_lower(Index n);
PUSHFORWARD_INSTANCE std::pair<Tensor<float>, Tensor<float>> aligned(const char* name, const Tensor<float>& a,
                                                                     const Tensor<float>& b);

// ops/linear_combination.hpp
PUSHFORWARD_INSTANCE void combine_strip(int count, const float* w, const float* const* x, Index begin, Index n,
                                        float* out);
PUSHFORWARD_INSTANCE Tensor<float> combine_values(const LinearTerms<float>& terms);
PUSHFORWARD_INSTANCE Tensor<float> combine(const LinearTerms<float>& terms);

// ops/matmul.hpp
PUSHFORWARD_INSTANCE Tensor<float> matmul_values(const Tensor<float>& a, const Tensor<float>& b, MatmulOptions t,
                                                 const Shape& result);
PUSHFORWARD_INSTANCE void check_linear(const Tensor<float>& x, const Tensor<float>& weight, const Tensor<float>& bias);
PUSHFORWARD_INSTANCE Tensor<float> record_linear(Tensor<float> values, const Tensor<float>& x,
                                                 const Tensor<float>& weight, const Tensor<float>& bias);
PUSHFORWARD_INSTANCE const float* data_or_null(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> record_activation(const ActivationLoops<float>& f, const Tensor<float>& z,
                                                     Tensor<float> y);
PUSHFORWARD_INSTANCE ActivationLoops<float> activation_loops(Activation activation);
PUSHFORWARD_INSTANCE Tensor<float> linear_activated(Activation activation, const Tensor<float>& x,
                                                    const Tensor<float>& weight, const Tensor<float>& bias);

// ops/reductions.hpp
PUSHFORWARD_INSTANCE Tensor<float> sum_over(const Tensor<float>& x, const Reduction& r, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> product_last(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> product_over(const Tensor<float>& x, const Reduction& r, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> logsumexp_over(const Tensor<float>& x, const Reduction& r, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> norm_of_squares(const Tensor<float>& squares);
PUSHFORWARD_INSTANCE Tensor<float> cumulative_sum(const Tensor<float>& x, int axis, bool backwards);

// ops/shape_ops.hpp
PUSHFORWARD_INSTANCE void read_walk(const Walk& walk, const float* in, float* out);
PUSHFORWARD_INSTANCE void write_walk(const Walk& walk, const float* in, float* out);
PUSHFORWARD_INSTANCE void transpose_matrix(const float* __restrict in, Index rows, Index columns,
                                           float* __restrict out);
PUSHFORWARD_INSTANCE Tensor<float> place_range(const Tensor<float>& x, const Shape& shape, const AxisRange& range);
PUSHFORWARD_INSTANCE Tensor<float> take_range(const Tensor<float>& x, const AxisRange& range);
PUSHFORWARD_INSTANCE Tensor<float> triangle(const char* name, const Tensor<float>& x, Index diagonal, bool lower);
PUSHFORWARD_INSTANCE class ConcatNode<float>;

// autodiff/node.hpp
PUSHFORWARD_INSTANCE class Cotangents<float>;
PUSHFORWARD_INSTANCE class Leaf<float>;

}  // namespace pushforward::detail

namespace pushforward {

// autodiff/tensor.hpp
PUSHFORWARD_INSTANCE Tensor<float> variable(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> stop_gradient(const Tensor<float>& x);

// ops/arithmetic.hpp
PUSHFORWARD_INSTANCE Tensor<float> operator*(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> sum_to(const Tensor<float>& x, const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<float> operator+(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> operator-(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> operator-(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> operator/(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> operator>(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> operator>=(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> operator<(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> operator<=(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> equal(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> not_equal(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> where(const Tensor<float>& mask, const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> maximum(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> minimum(const Tensor<float>& a, const Tensor<float>& b);

// ops/assignment.hpp
PUSHFORWARD_INSTANCE Tensor<Index> assignment(const Tensor<float>& cost);

// ops/broadcast.hpp
PUSHFORWARD_INSTANCE Tensor<float> expand(const Tensor<float>& x, const Shape& shape);

// ops/indexing.hpp
PUSHFORWARD_INSTANCE Tensor<float> scatter_add(const Tensor<float>& x, int axis, const Tensor<Index>& index,
                                               const Tensor<float>& source);
PUSHFORWARD_INSTANCE Tensor<float> gather(const Tensor<float>& x, int axis, const Tensor<Index>& index);
PUSHFORWARD_INSTANCE Tensor<float> index_select(const Tensor<float>& x, int axis, const Tensor<Index>& index);
PUSHFORWARD_INSTANCE Tensor<float> one_hot(const Tensor<Index>& labels, Index classes);
PUSHFORWARD_INSTANCE Sorted<float> sort(const Tensor<float>& x, bool descending);
PUSHFORWARD_INSTANCE Sorted<float> top_k(const Tensor<float>& x, Index k);

// ops/linalg.hpp
PUSHFORWARD_INSTANCE Tensor<float> solve_triangular(const Tensor<float>& a, const Tensor<float>& b,
                                                    TriangularOptions t);
PUSHFORWARD_INSTANCE Tensor<float> cholesky(const Tensor<float>& a);
PUSHFORWARD_INSTANCE Tensor<float> solve(const Tensor<float>& a, const Tensor<float>& b);
PUSHFORWARD_INSTANCE Tensor<float> inverse(const Tensor<float>& a);
PUSHFORWARD_INSTANCE Tensor<float> log_abs_det(const Tensor<float>& a);

// ops/math.hpp
PUSHFORWARD_INSTANCE Tensor<float> exp(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> sigmoid(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> sin(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> cos(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> square(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> reciprocal(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> polygamma(int order, const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> log(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> log1p(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> expm1(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> sqrt(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> rsqrt(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> tanh(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> softplus(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> silu(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> gelu(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> relu(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> leaky_relu(const Tensor<float>& x, double slope);
PUSHFORWARD_INSTANCE Tensor<float> elu(const Tensor<float>& x, double alpha);
PUSHFORWARD_INSTANCE Tensor<float> erf(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> erfinv(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> lgamma(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> digamma(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> abs(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> sign(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> clamp(const Tensor<float>& x, double low, double high);
PUSHFORWARD_INSTANCE Tensor<float> pow(const Tensor<float>& x, const Tensor<float>& y);
PUSHFORWARD_INSTANCE Tensor<float> is_finite(const Tensor<float>& x);

// ops/matmul.hpp
PUSHFORWARD_INSTANCE Tensor<float> matmul(const Tensor<float>& a, const Tensor<float>& b, MatmulOptions t);
PUSHFORWARD_INSTANCE Tensor<float> linear(const Tensor<float>& x, const Tensor<float>& weight,
                                          const Tensor<float>& bias);
PUSHFORWARD_INSTANCE Tensor<float> linear(const Tensor<float>& x, const Tensor<float>& weight,
                                          const Tensor<float>& bias, Activation activation);
PUSHFORWARD_INSTANCE Tensor<float> activate(const Tensor<float>& x, Activation activation);

// ops/random.hpp
PUSHFORWARD_INSTANCE Tensor<float> uniform(const Shape& shape, Rng& rng, double low, double high);
PUSHFORWARD_INSTANCE Tensor<float> normal(const Shape& shape, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<float> exponential(const Shape& shape, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<float> gumbel(const Shape& shape, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<float> bernoulli(const Tensor<float>& p, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<Index> categorical(const Tensor<float>& logits, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<float> gamma(const Tensor<float>& alpha, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<float> log_gamma_draw(const Tensor<float>& alpha, Rng& rng);
PUSHFORWARD_INSTANCE Tensor<float> beta(const Tensor<float>& alpha, const Tensor<float>& beta, Rng& rng);

// ops/reductions.hpp
PUSHFORWARD_INSTANCE Tensor<float> sum(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> sum(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> sum(const Tensor<float>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> sum(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> mean(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> mean(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> mean(const Tensor<float>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> mean(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> prod(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> prod(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> prod(const Tensor<float>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> prod(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> max(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> max(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> max(const Tensor<float>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> max(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> min(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> min(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> min(const Tensor<float>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> min(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<Index> argmax(const Tensor<float>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<float> var(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes,
                                       int correction);
PUSHFORWARD_INSTANCE Tensor<float> var(const Tensor<float>& x, int axis, bool keep_axes, int correction);
PUSHFORWARD_INSTANCE Tensor<float> var(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes,
                                       int correction);
PUSHFORWARD_INSTANCE Tensor<float> var(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> norm(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> norm(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> norm(const Tensor<float>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> norm(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> logsumexp(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> logsumexp(const Tensor<float>& x, const std::vector<int>& axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> logsumexp(const Tensor<float>& x, int axis, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> logsumexp(const Tensor<float>& x, std::initializer_list<int> axes, bool keep_axes);
PUSHFORWARD_INSTANCE Tensor<float> log_softmax(const Tensor<float>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<float> softmax(const Tensor<float>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<float> cumsum(const Tensor<float>& x, int axis);

// ops/shape_ops.hpp
PUSHFORWARD_INSTANCE Tensor<float> reshape(const Tensor<float>& x, std::initializer_list<Index> lengths);
PUSHFORWARD_INSTANCE Tensor<float> reshape(const Tensor<float>& x, const Shape& shape);
PUSHFORWARD_INSTANCE Tensor<float> flatten(const Tensor<float>& x);
PUSHFORWARD_INSTANCE Tensor<float> unsqueeze(const Tensor<float>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<float> squeeze(const Tensor<float>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<float> permute(const Tensor<float>& x, std::vector<int> order);
PUSHFORWARD_INSTANCE Tensor<float> transpose(const Tensor<float>& x, int i, int j);
PUSHFORWARD_INSTANCE Tensor<float> slice(const Tensor<float>& x, int axis, Index start, Index stop, Index step);
PUSHFORWARD_INSTANCE Tensor<float> select(const Tensor<float>& x, int axis, Index index);
PUSHFORWARD_INSTANCE Tensor<float> flip(const Tensor<float>& x, int axis);
PUSHFORWARD_INSTANCE Tensor<float> concat(const std::vector<Tensor<float>>& parts, int axis);
PUSHFORWARD_INSTANCE Tensor<float> concat(std::initializer_list<Tensor<float>> parts, int axis);
PUSHFORWARD_INSTANCE Tensor<float> stack(const std::vector<Tensor<float>>& parts, int axis);
PUSHFORWARD_INSTANCE Tensor<float> stack(std::initializer_list<Tensor<float>> parts, int axis);
PUSHFORWARD_INSTANCE std::vector<Tensor<float>> split(const Tensor<float>& x, const std::vector<Index>& lengths,
                                                      int axis);
PUSHFORWARD_INSTANCE Tensor<float> pad(const Tensor<float>& x, int axis, Index before, Index after, double value);
PUSHFORWARD_INSTANCE Tensor<float> roll(const Tensor<float>& x, Index shift, int axis);
PUSHFORWARD_INSTANCE Tensor<float> tril(const Tensor<float>& x, Index diagonal);
PUSHFORWARD_INSTANCE Tensor<float> triu(const Tensor<float>& x, Index diagonal);

}  // namespace pushforward
