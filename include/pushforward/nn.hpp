// Parameters, modules and layers.
#pragma once

#include <pushforward/nn/activations.hpp>
#include <pushforward/nn/any_layer.hpp>
#include <pushforward/nn/dropout.hpp>
#include <pushforward/nn/embedding.hpp>
#include <pushforward/nn/features.hpp>
#include <pushforward/nn/frozen.hpp>
#include <pushforward/nn/initializers.hpp>
#include <pushforward/nn/layer_norm.hpp>
#include <pushforward/nn/linear.hpp>
#include <pushforward/nn/masked_linear.hpp>
#include <pushforward/nn/masked_mlp.hpp>
#include <pushforward/nn/module.hpp>
#include <pushforward/nn/sequential.hpp>
#include <pushforward/nn/spectral_norm.hpp>
#include <pushforward/nn/summary.hpp>
#include <pushforward/nn/time_mlp.hpp>
