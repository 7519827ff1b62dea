// Objectives: callables (model, batch, rng) -> loss, in nats per example.
#pragma once

#include <pushforward/objectives/adversarial.hpp>
#include <pushforward/objectives/elbo.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/objectives/noise_contrastive.hpp>
#include <pushforward/objectives/objective.hpp>
#include <pushforward/objectives/score_matching.hpp>
