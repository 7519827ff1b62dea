// The compiled library: dynamics and models for float.
#define PUSHFORWARD_COMPILED
#include <pushforward/pushforward.hpp>

#undef PUSHFORWARD_INSTANCE
#define PUSHFORWARD_INSTANCE template
#include <pushforward/compiled/models.inl>
