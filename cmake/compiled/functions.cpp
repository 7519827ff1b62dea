// The compiled library: functions that are no templates.
#define PUSHFORWARD_COMPILING
#include <pushforward/pushforward.hpp>
