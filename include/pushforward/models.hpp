// Models: whole generative models, composed of the floors below.
#pragma once

#include <pushforward/models/annealed_importance.hpp>
#include <pushforward/models/autoregressive.hpp>
#include <pushforward/models/concepts.hpp>
#include <pushforward/models/conditional_flow.hpp>
#include <pushforward/models/conditional_vae.hpp>
#include <pushforward/models/conditionals.hpp>
#include <pushforward/models/continuous_flow.hpp>
#include <pushforward/models/diffusion.hpp>
#include <pushforward/models/energy.hpp>
#include <pushforward/models/flow.hpp>
#include <pushforward/models/flow_head.hpp>
#include <pushforward/models/flow_matching.hpp>
#include <pushforward/models/gan.hpp>
#include <pushforward/models/heads.hpp>
#include <pushforward/models/inverse_masked_flow.hpp>
#include <pushforward/models/latent_walks.hpp>
#include <pushforward/models/masked_flow.hpp>
#include <pushforward/models/planar_flow.hpp>
#include <pushforward/models/vae.hpp>
#include <pushforward/models/vamp_vae.hpp>
