// Bijectors: invertible maps with the logarithm of their volume change.
#pragma once

#include <pushforward/bijectors/affine.hpp>
#include <pushforward/bijectors/bijector.hpp>
#include <pushforward/bijectors/chain.hpp>
#include <pushforward/bijectors/conditional.hpp>
#include <pushforward/bijectors/coupling.hpp>
#include <pushforward/bijectors/elementwise.hpp>
#include <pushforward/bijectors/linear_maps.hpp>
#include <pushforward/bijectors/masked_autoregressive.hpp>
#include <pushforward/bijectors/permutation.hpp>
#include <pushforward/bijectors/piecewise_splines.hpp>
#include <pushforward/bijectors/planar.hpp>
#include <pushforward/bijectors/radial.hpp>
#include <pushforward/bijectors/rational_quadratic.hpp>
#include <pushforward/bijectors/solve.hpp>
#include <pushforward/bijectors/sylvester.hpp>
#include <pushforward/bijectors/volume_preserving.hpp>
