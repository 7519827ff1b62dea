// Training: optimizers, schedules, moving averages, batches, fit(), progress, checkpoints.
#pragma once

#include <pushforward/training/adam.hpp>
#include <pushforward/training/adversarial.hpp>
#include <pushforward/training/batches.hpp>
#include <pushforward/training/checkpoint.hpp>
#include <pushforward/training/clip.hpp>
#include <pushforward/training/ema.hpp>
#include <pushforward/training/factor_vae.hpp>
#include <pushforward/training/fit.hpp>
#include <pushforward/training/fit_without_data.hpp>
#include <pushforward/training/history.hpp>
#include <pushforward/training/interrupt.hpp>
#include <pushforward/training/lion.hpp>
#include <pushforward/training/optimizer.hpp>
#include <pushforward/training/progress.hpp>
#include <pushforward/training/rms_prop.hpp>
#include <pushforward/training/schedules.hpp>
#include <pushforward/training/sgd.hpp>
