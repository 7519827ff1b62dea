// Pictures from tensors: scatter plots, densities, image grids, curves, and figures of them.
#pragma once

#include <pushforward/plot/canvas.hpp>
#include <pushforward/plot/curve.hpp>
#include <pushforward/plot/density.hpp>
#include <pushforward/plot/field.hpp>
#include <pushforward/plot/figure.hpp>
#include <pushforward/plot/image_grid.hpp>
#include <pushforward/plot/scatter.hpp>
#include <pushforward/plot/spectrogram.hpp>
