// Bijectors: invertible maps with the logarithm of their volume change.
#pragma once

#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/coupling.hpp>
#include <pushforward/bijectors/masked_autoregressive.hpp>
#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/bijectors/rational_quadratic.hpp>
