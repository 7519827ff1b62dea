// Objectives: callables (model, batch, rng) -> loss, in nats per example.
#pragma once

#include <pushforward/objectives/elbo.hpp>
#include <pushforward/objectives/likelihood.hpp>
#include <pushforward/objectives/objective.hpp>
