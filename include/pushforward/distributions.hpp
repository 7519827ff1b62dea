// Distributions: values that score data and draw it.
#pragma once

#include <pushforward/distributions/bernoulli.hpp>
#include <pushforward/distributions/categorical.hpp>
#include <pushforward/distributions/concepts.hpp>
#include <pushforward/distributions/kl_divergence.hpp>
#include <pushforward/distributions/mixture.hpp>
#include <pushforward/distributions/normal.hpp>
#include <pushforward/distributions/transformed.hpp>
#include <pushforward/distributions/uniform.hpp>
