// InterruptGuard: Ctrl-C as a request to stop.
#pragma once

#include <atomic>
#include <csignal>

namespace pushforward {

/// While it lives, the first Ctrl-C (SIGINT) only raises a flag, and the handler from before is put back: a second
/// Ctrl-C does what it always did. Nothing is touched where SIGINT is ignored, or where another guard lives already.
class InterruptGuard {
 public:
  explicit InterruptGuard(bool active = true) : active_(active) {
    if (!active || state().owned.exchange(true)) return;
    owner_ = true;
    state().raised = 0;
    install();
  }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard() {
    if (!owner_) return;
    if (installed_) restore();
    state().raised = 0;
    state().owned = false;
  }

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
  static State& state() {
    static State shared;
    return shared;
  }

  static void on_signal(int) {
    state().raised = 1;
    restore();
  }
  static void restore() {
#ifdef _WIN32
    std::signal(SIGINT, state().before);
#else
    sigaction(SIGINT, &state().before, nullptr);
#endif
  }
  void install() {
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

  bool active_, owner_ = false, installed_ = false;
};

}  // namespace pushforward
