// Metrics: likelihoods, distances between samples, mode coverage.
#pragma once

#include <pushforward/metrics/evaluate.hpp>
#include <pushforward/metrics/latent.hpp>
#include <pushforward/metrics/likelihood.hpp>
#include <pushforward/metrics/samples.hpp>
