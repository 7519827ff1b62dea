// Objectives: callables (model, batch, rng) -> loss, in nats per example.
#pragma once

#include <pushforward/objectives/adversarial.hpp>
#include <pushforward/objectives/annealed.hpp>
#include <pushforward/objectives/elbo.hpp>
#include <pushforward/objectives/factor_vae.hpp>
#include <pushforward/objectives/importance_sampling.hpp>
#include <pushforward/objectives/importance_weighted.hpp>
#include <pushforward/objectives/latent_divergence.hpp>
#include <pushforward/objectives/latent_mmd.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/objectives/no_data.hpp>
#include <pushforward/objectives/noise_contrastive.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/objectives/score_matching.hpp>
#include <pushforward/objectives/total_correlation.hpp>
#include <pushforward/objectives/variational.hpp>
