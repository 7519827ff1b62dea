// Data: toy densities, MNIST, drawn digits, and what to do to them before training.
#pragma once

#include <pushforward/data/audio.hpp>
#include <pushforward/data/digits.hpp>
#include <pushforward/data/idx.hpp>
#include <pushforward/data/mnist.hpp>
#include <pushforward/data/preprocessing.hpp>
#include <pushforward/data/quantize.hpp>
#include <pushforward/data/spectrum.hpp>
#include <pushforward/data/text.hpp>
#include <pushforward/data/toy_curves.hpp>
#include <pushforward/data/toy_gaussians.hpp>
