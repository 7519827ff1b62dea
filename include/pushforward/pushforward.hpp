// Everything: generative modeling in C++ with one include.
#pragma once

#include <pushforward/autodiff.hpp>
#include <pushforward/bijectors.hpp>
#include <pushforward/core.hpp>
#include <pushforward/data.hpp>
#include <pushforward/distributions.hpp>
#include <pushforward/dynamics.hpp>
#include <pushforward/io.hpp>
#include <pushforward/metrics.hpp>
#include <pushforward/models.hpp>
#include <pushforward/nn.hpp>
#include <pushforward/objectives.hpp>
#include <pushforward/ops.hpp>
#include <pushforward/plot.hpp>
#include <pushforward/testing.hpp>
#include <pushforward/training.hpp>

#ifdef PUSHFORWARD_COMPILED
#define PUSHFORWARD_INSTANCE extern template
#define PUSHFORWARD_SCALAR float
#include <pushforward/compiled/models.inl>
#include <pushforward/compiled/operations.inl>
#include <pushforward/compiled/parts.inl>
#undef PUSHFORWARD_SCALAR
#ifdef PUSHFORWARD_COMPILED_DOUBLE
#define PUSHFORWARD_SCALAR double
#include <pushforward/compiled/models.inl>
#include <pushforward/compiled/operations.inl>
#include <pushforward/compiled/parts.inl>
#undef PUSHFORWARD_SCALAR
#endif
#undef PUSHFORWARD_INSTANCE
#endif
