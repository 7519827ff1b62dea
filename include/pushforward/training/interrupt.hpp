// InterruptGuard: Ctrl-C as a request to stop.
#pragma once

#include <atomic>
#include <csignal>

namespace pushforward {

/// While it lives, the first Ctrl-C (SIGINT) only raises a flag, and the handler from before is put back: a second
/// Ctrl-C does what it always did. Nothing is touched where SIGINT is ignored, or where another guard lives already.
class InterruptGuard {
 public:
  explicit InterruptGuard(bool active = true);
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();

  /// Whether Ctrl-C was pressed since the outermost guard was made.
  bool interrupted() const { return active_ && state().raised != 0; }

 private:
#ifdef _WIN32
  using Action = void (*)(int);
#else
  using Action = struct sigaction;
#endif
  struct State {
    std::atomic<bool> owned{false};
    volatile std::sig_atomic_t raised = 0;
    Action before{};
  };
  static State& state();

  static void on_signal(int);
  static void restore();
  void install();

  bool active_, owner_ = false, installed_ = false;
};

}  // namespace pushforward

#ifndef PUSHFORWARD_COMPILED
#include <pushforward/training/interrupt.inl>
#endif
