// The compiled library: layers, distributions, bijectors and training for float.
#define PUSHFORWARD_COMPILED
#include <pushforward/pushforward.hpp>

#undef PUSHFORWARD_INSTANCE
#define PUSHFORWARD_INSTANCE template
#include <pushforward/compiled/parts.inl>
