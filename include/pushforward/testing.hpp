// Checks for parts of your own: gradients, bijectors, distributions, modules. They throw testing::CheckFailed.
#pragma once

#include <pushforward/testing/check_autoregressive.hpp>
#include <pushforward/testing/check_bijector.hpp>
#include <pushforward/testing/check_distribution.hpp>
#include <pushforward/testing/check_failed.hpp>
#include <pushforward/testing/check_gradients.hpp>
#include <pushforward/testing/check_module.hpp>
#include <pushforward/testing/check_rsample.hpp>
