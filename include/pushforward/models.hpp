// Models: whole generative models, composed of the floors below.
#pragma once

#include <pushforward/models/flow.hpp>
#include <pushforward/models/heads.hpp>
#include <pushforward/models/vae.hpp>
