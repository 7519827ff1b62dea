// Paths, denoisers, samplers, solvers: what moves noise to data.
#pragma once

#include <pushforward/dynamics/contrastive_divergence.hpp>
#include <pushforward/dynamics/denoiser.hpp>
#include <pushforward/dynamics/divergence.hpp>
#include <pushforward/dynamics/gaussian_mixture.hpp>
#include <pushforward/dynamics/langevin.hpp>
#include <pushforward/dynamics/log_partition.hpp>
#include <pushforward/dynamics/ode.hpp>
#include <pushforward/dynamics/ode_likelihood.hpp>
#include <pushforward/dynamics/path.hpp>
#include <pushforward/dynamics/replay_buffer.hpp>
#include <pushforward/dynamics/samplers.hpp>
