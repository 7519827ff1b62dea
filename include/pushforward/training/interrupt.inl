// Bodies of interrupt.hpp.
#pragma once

#include <pushforward/core/isa.hpp>
#include <pushforward/training/interrupt.hpp>

namespace pushforward {

PUSHFORWARD_ONCE InterruptGuard::InterruptGuard(bool active) : active_(active) {
  if (!active || state().owned.exchange(true)) return;
  owner_ = true;
  state().raised = 0;
  install();
}

PUSHFORWARD_ONCE InterruptGuard::~InterruptGuard() {
  if (!owner_) return;
  if (installed_) restore();
  state().raised = 0;
  state().owned = false;
}

PUSHFORWARD_ONCE InterruptGuard::State& InterruptGuard::state() {
  static State shared;
  return shared;
}

PUSHFORWARD_ONCE void InterruptGuard::on_signal(int) {
  state().raised = 1;
  restore();
}

PUSHFORWARD_ONCE void InterruptGuard::restore() {
#ifdef _WIN32
  std::signal(SIGINT, state().before);
#else
  sigaction(SIGINT, &state().before, nullptr);
#endif
}

PUSHFORWARD_ONCE void InterruptGuard::install() {
#ifdef _WIN32
  state().before = std::signal(SIGINT, on_signal);
  installed_ = true;
#else
  sigaction(SIGINT, nullptr, &state().before);
  if (!(state().before.sa_flags & SA_SIGINFO) && state().before.sa_handler == SIG_IGN) return;
  Action action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  installed_ = sigaction(SIGINT, &action, nullptr) == 0;
#endif
}

}  // namespace pushforward
