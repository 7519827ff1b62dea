// Models: whole generative models, composed of the floors below.
#pragma once

#include <pushforward/models/autoregressive.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/models/conditionals.hpp>
#include <pushforward/models/continuous_flow.hpp>
#include <pushforward/models/diffusion.hpp>
#include <pushforward/models/energy.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/models/flow_matching.hpp>
#include <pushforward/models/gan.hpp>
#include <pushforward/models/heads.hpp>
#include <pushforward/models/masked_flow.hpp>
#include <pushforward/models/vae.hpp>
